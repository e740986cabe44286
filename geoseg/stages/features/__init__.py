"""Feature layers: blocks to land cover, buildings, roads, trees and cars."""
