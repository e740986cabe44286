"""Graphs that other programs wrote: TorchScript, torch.export and ONNX. They are checked first, then tried, then used.

bytes -> archive -> check of every name that could run -> a clean copy -> network;  the first patch in a process apart
"""
