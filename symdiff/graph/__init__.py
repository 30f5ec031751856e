"""Computation graphs: formulas evaluated forward and backward, node by node."""

from symdiff.graph.computation import ComputationGraph
from symdiff.graph.node import Node
from symdiff.graph.place import Place

__all__ = ["ComputationGraph", "Node", "Place"]
