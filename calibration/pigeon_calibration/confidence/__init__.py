"""Honest confidence, fitted on the answers of the graph that ships to photographs that training never saw."""
