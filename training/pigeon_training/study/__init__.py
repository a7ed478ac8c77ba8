"""What a model knows: evaluation, ablation, earlier systems, explanation, zero shot."""
