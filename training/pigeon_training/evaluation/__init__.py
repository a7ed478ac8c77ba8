"""How good a model is: predictions of photographs with known coordinates in, a report out.

``predictions`` is what the torch model, a bundle and any other locator give; ``report`` makes the numbers of them, pure;
``from_bundle`` and ``from_checkpoint`` predict, ``stage`` writes JSON, table and pictures.
"""
