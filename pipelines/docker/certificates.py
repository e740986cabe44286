"""One certificate for a scheduler, its workers and its clients: whoever lacks it can run nothing there.

python certificates.py FOLDER [UID]     writes FOLDER/geoseg.pem and FOLDER/geoseg.key for a user, unless they are there
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from distributed import Security


def main(folder: Path, user: int | None = None) -> None:
    """Write both files, which only one user can read."""
    certificate, key = folder / "geoseg.pem", folder / "geoseg.key"
    if certificate.exists() and key.exists():
        return
    made = Security.temporary()  # type: ignore[no-untyped-call]
    os.umask(0o077)
    key.write_text(str(made.tls_client_key))
    certificate.write_text(str(made.tls_ca_file))
    if user is not None:
        for path in (key, certificate):
            os.chown(path, user, user)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
