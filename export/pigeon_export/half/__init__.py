"""Half precision: conversion, its roundings written out, its tolerances."""
