"""``pigeon-edge train``: one command a stage. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from pigeon_edge.cli.group import command_group
from pigeon_training.cli import (
    ablate,
    cells,
    data,
    embed,
    evaluate,
    explain,
    fit,
    gallery,
    heads,
    planet,
    pretrain,
    tune,
    zero_shot,
)
from pigeon_training.cli.manifest import app as manifest_app

app = command_group("Make a model of your own.")
app.command(epilog=planet.PLANET_EXAMPLES)(planet.planet)
app.command(epilog=planet.RENDER_EXAMPLES)(planet.render)
app.command(epilog=planet.ATLAS_EXAMPLES)(planet.atlas)
app.command(epilog=data.SAMPLES_EXAMPLES)(data.samples)
app.command(epilog=data.GEOGRAPHY_EXAMPLES)(data.geography)
app.command(epilog=cells.CELLS_EXAMPLES)(cells.cells)
app.command(epilog=pretrain.PRETRAIN_EXAMPLES)(pretrain.pretrain)
app.command(epilog=embed.EMBED_EXAMPLES)(embed.embed)
app.command(epilog=heads.HEADS_EXAMPLES)(heads.heads)
app.command(epilog=fit.FIT_EXAMPLES)(fit.fit)
app.command(epilog=tune.TUNE_EXAMPLES)(tune.tune)
app.command(epilog=gallery.GALLERY_EXAMPLES)(gallery.gallery)
app.command(epilog=evaluate.EVALUATE_EXAMPLES)(evaluate.evaluate)
app.command(epilog=ablate.ABLATE_EXAMPLES)(ablate.ablate)
app.command(epilog=explain.EXPLAIN_EXAMPLES)(explain.explain)
app.command(epilog=zero_shot.SEARCH_EXAMPLES)(zero_shot.search)
app.command(epilog=zero_shot.LABEL_EXAMPLES)(zero_shot.label)
app.add_typer(manifest_app, name="manifest")
