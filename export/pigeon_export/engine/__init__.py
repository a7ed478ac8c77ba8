"""From a graph to a TensorRT engine, on the machine that will run it.

candidates.py   the graph in each precision
limits.py       PURE how much memory a build may take
builder.py      the calls of TensorRT
child.py        a build in a process of its own, which may die
process.py      starting it, hearing its progress, saying how it died
trial.py        how fast an engine is, and how near to the golden outputs
verdict.py      PURE which precision runs
stage.py        build both, time, test, decide, store
command.py      ``pigeon-edge export engine``
"""
