"""How published data sets lie on a disk, one ``Layout`` each: the table, its columns, where the photographs are.

What was checked, in 2026, and against what:

- ``osv5m``, ``osv5m-test`` (OpenStreetView-5M, Hugging Face osv5m/osv5m): columns and
  ``images/{train,test}/NN/ID.jpg`` as in the data set's own loading script; it is published as ``NN.zip`` in those
  folders, which are read without unpacking too, whatever folders they hold. The form of ``captured_at`` was not seen;
  it is read as milliseconds since 1970 (what Mapillary's interface gives) or as a date that begins YYYY-MM, else the
  month stays unknown.
- ``im2gps``, ``im2gps3k`` (Vo et al. 2017; tables of GeoEstimation, ``meta/*_places365.csv``): read there. Two
  defects of the published files are mended or refused: AUTHOR holds more than the Flickr user in a part of Im2GPS,
  and an early im2gps3k table has the headings LON and LAT the wrong way round.
- ``mp16`` (YFCC100M's geotagged subset of the Placing Task 2016, ``mp16_places365.csv``) and ``yfcc26k``
  (``yfcc25600_places365.csv``): the columns IMG_ID, LAT, LON as public training code reads them; the files themselves
  were not seen. IMG_ID is a path; many downloaders write its slashes as underscores, and both are found. AUTHOR is
  read where it is.
- ``yfcc4k`` (Vo et al. 2017): tab-separated lines of YFCC100M without a heading, 25 fields, photo id in the second,
  user in the fourth, date in the sixth, longitude and latitude in the 13th and 14th, as OpenStreetView-5M's code
  reads them; the file was not seen. Of its names, both ``yfcc4k.txt`` and ``info.txt`` are in use.
- ``gws15k`` (Clark et al. 2023) is not published, for the licence of its photographs. The columns ``path, lat, lon``
  are those of the reconstruction that GT-Loc publishes (Shatwell et al. 2025), which was read.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """A data set's layout. Columns are headings, or numbers from 0 where the table has none; empty: no such column.

    ``tables`` and ``photographs`` are looked for in this order; photographs below the first folder that is there.
    """

    title: str
    tables: tuple[str, ...]
    photographs: tuple[str, ...]
    photo: str
    lat: str
    lng: str
    author: str = ""
    taken: str = ""
    country_code: str = ""
    admin1: str = ""
    separator: str = ","
    fields: int = 0

    @property
    def has_heading(self) -> bool:
        """Whether the table's first line names its columns."""
        return self.fields == 0


def _openstreetview(part: str) -> Layout:
    return Layout(
        f"OpenStreetView-5M, {part} part",
        tables=(f"{part}.csv",),
        photographs=(f"images/{part}",),
        photo="id",
        lat="latitude",
        lng="longitude",
        author="creator_id",
        taken="captured_at",
        country_code="unique_country",
        admin1="region",
    )


def _places365(title: str, table: str, *photographs: str) -> Layout:
    return Layout(title, (table,), (*photographs, "images", "."), photo="IMG_ID", lat="LAT", lng="LON", author="AUTHOR")


LAYOUTS = {
    "osv5m": _openstreetview("train"),
    "osv5m-test": _openstreetview("test"),
    "mp16": _places365("MediaEval Placing Task 2016, MP-16", "mp16_places365.csv", "mp16"),
    "im2gps": _places365("Im2GPS", "im2gps_places365.csv", "im2gps", "im2gpstest"),
    "im2gps3k": _places365("Im2GPS3k", "im2gps3k_places365.csv", "im2gps3ktest", "im2gps3k"),
    "yfcc26k": _places365("YFCC26k", "yfcc25600_places365.csv", "yfcc25600"),
    "yfcc4k": Layout(
        "YFCC4k",
        tables=("yfcc4k.txt", "info.txt"),
        photographs=("yfcc4k", "images", "."),
        photo="1",
        lat="13",
        lng="12",
        author="3",
        taken="5",
        separator="\t",
        fields=25,
    ),
    "gws15k": Layout(
        "GWS15k",
        tables=("gws15k.csv",),
        photographs=("gws15k", "images", "."),
        photo="path",
        lat="lat",
        lng="lon",
    ),
}
"""Every kind that ``train manifest import`` knows."""
