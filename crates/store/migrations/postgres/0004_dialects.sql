-- In these dialects an API key is known by its name: two keys of one dialect never have the same.
CREATE UNIQUE INDEX access_tokens_unique_names ON access_tokens (dialect, name)
    WHERE name IS NOT NULL AND substr(id, 1, 3) = 'ak_'
      AND dialect IN ('query', 'shardimage', 'cloudpaste', 'contentive');

-- Lists of a foreign dialect do not walk through everything else.
CREATE INDEX access_tokens_by_dialect ON access_tokens (dialect, substr(id, 4), id) WHERE dialect <> 'native';
