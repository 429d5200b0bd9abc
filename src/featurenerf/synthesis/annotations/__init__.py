"""Part labels and keypoints of real meshes: one file for each way in which they are published.

``AnnotationSource`` (in ``base``) is what all of them are; ``synthesis.render`` uses them one after the other.
"""
