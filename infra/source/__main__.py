import sys

from infra.source.command import main

sys.exit(main())
