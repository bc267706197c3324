"""`python -m tests.oracle`: see `tests.oracle.command`,
which stands apart so that processes it starts can import it.
"""

import sys

from tests.oracle.command import main

if __name__ == "__main__":
    sys.exit(main())
