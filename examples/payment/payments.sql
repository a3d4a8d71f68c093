CREATE TABLE payment (
  number  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- The last line, also against those who do not ask the guard.
  serial  text NOT NULL CONSTRAINT payment_serial UNIQUE,
  account text NOT NULL,
  cents   bigint NOT NULL
);

-- What each request was told. Nothing here is unique: a request that was handled twice would be here twice.
CREATE TABLE answer (
  message_id text NOT NULL,
  serial     text NOT NULL,
  outcome    text NOT NULL,
  status     text NOT NULL,
  number     bigint
);
