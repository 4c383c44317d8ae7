"""Vectors that were made once, on disk, for every later task, run and process.

Vectors are kept by what they were encoded with (`model.cache.space`) and by a hash of the text, in
shards that are only ever appended to (`model.cache.shard`).
"""
