"""``pigeon-edge export``: from a model to a bundle. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from pigeon_edge.cli.group import command_group
from pigeon_export.cli import engine, half, lint, onnx, pack, parity
from pigeon_export.cli.adopt import app as adopt_app

app = command_group("From a model to a bundle, and to an engine on the device.")
app.command(epilog=onnx.ONNX_EXAMPLES)(onnx.onnx)
app.command(epilog=half.HALF_EXAMPLES)(half.half)
app.command(epilog=lint.LINT_EXAMPLES)(lint.lint)
app.command(epilog=parity.PARITY_EXAMPLES)(parity.parity)
app.command(epilog=pack.PACK_EXAMPLES)(pack.pack)
app.command(epilog=engine.EXAMPLES)(engine.engine)
app.add_typer(adopt_app, name="adopt")
