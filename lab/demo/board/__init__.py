"""An emulated ARM64 board that is treated like metal, and the Debian image it boots.

`image.build` makes the image. `machine.Machine` is the board: a power switch (QMP), a serial line (TCP), a
boot loader (U-Boot) that loads a kernel by TFTP, a disk, a network card.

``python -m lab.demo.board --out FOLDER`` builds the image from the command line.
"""
