import os
import sys

if sys.platform == "darwin":
    # Before torch is loaded: what an older torch lacks on Apple's GPU is then done by the processor.
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
