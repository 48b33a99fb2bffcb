"""The lab's own library of images: what definitions name as ``lab:NAME``."""
