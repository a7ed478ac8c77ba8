"""The Koeppen-Geiger classes in words."""

from __future__ import annotations

CLIMATE_LABELS = {
    "Af": "tropical rainforest",
    "Am": "tropical monsoon",
    "Aw": "tropical savanna",
    "As": "dry-summer tropical savanna",
    "BWh": "hot desert",
    "BWk": "cold desert",
    "BSh": "hot semi-arid",
    "BSk": "cold semi-arid",
    "Csa": "hot-summer Mediterranean",
    "Csb": "warm-summer Mediterranean",
    "Csc": "cold-summer Mediterranean",
    "Cwa": "dry-winter humid subtropical",
    "Cwb": "dry-winter subtropical highland",
    "Cwc": "dry-winter cold subtropical highland",
    "Cfa": "humid subtropical",
    "Cfb": "temperate oceanic",
    "Cfc": "subpolar oceanic",
    "Dsa": "dry-summer hot humid continental",
    "Dsb": "dry-summer warm humid continental",
    "Dsc": "dry-summer subarctic",
    "Dsd": "dry-summer severe subarctic",
    "Dwa": "dry-winter hot humid continental",
    "Dwb": "dry-winter warm humid continental",
    "Dwc": "dry-winter subarctic",
    "Dwd": "dry-winter severe subarctic",
    "Dfa": "hot-summer humid continental",
    "Dfb": "warm-summer humid continental",
    "Dfc": "subarctic",
    "Dfd": "severe subarctic",
    "ET": "tundra",
    "EF": "ice cap",
}
"""The usual short name of each class, as it stands before the word "climate"."""
