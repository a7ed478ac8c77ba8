"""Streams of frames: video files, folders, cameras."""
