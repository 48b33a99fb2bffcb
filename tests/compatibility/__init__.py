"""Test content that nobody here wrote: definitions run by hand and by Labbook in the same guest, compared.

``python -m tests.compatibility --collection DIR [--guest busybox|debian] [--only WORD …] [--report FILE]``

A collection is a folder with test definitions, such as a checkout of Linaro's public ``test-definitions``.
Which of its definitions run in which guest, with which parameters, and which do not run and why, is a table
of ours: ``linaro.yaml``. "By hand" means: the guest is booted by QEMU alone, the steps of each definition are
given to a plain shell there, and what it prints is read; none of Labbook's code takes part. What differs is a
defect of ours.
"""
