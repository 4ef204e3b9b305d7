"""Writes the photographs of a folder into one parquet file, again and again: one row group, no index of its pages.

python3 pyarrow_shard.py FOLDER COUNT FILE
"""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

folder, count, path = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
photos = [file.read_bytes() for file in sorted(folder.iterdir())]
rows = [{"bytes": photos[i % len(photos)] + str(i).encode(), "path": f"{i}.jpg"} for i in range(count)]
image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
# As pyarrow does it by default, but for the row groups: it makes pages of 1,024 images.
pq.write_table(pa.table({"image": pa.array(rows, image)}), path, row_group_size=count)
