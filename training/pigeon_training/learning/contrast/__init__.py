"""Continued contrastive pre-training of both CLIP towers."""
