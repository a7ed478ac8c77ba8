"""How good a model is: predictions of photographs with known coordinates in, a report out.

``predictions`` is what a bundle, the torch model and any other locator give; ``report`` makes numbers of them, pure;
``from_bundle`` and ``from_checkpoint`` predict; ``stage`` writes JSON and table, ``pictures`` the rest.
"""
