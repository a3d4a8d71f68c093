CREATE TABLE member (
  directory  text,
  number     bigint,
  name       text NOT NULL,
  -- Who has left stays as a row: without it, an old page would bring the member back.
  has_left   boolean NOT NULL,
  revision   bigint NOT NULL,
  PRIMARY KEY (directory, number)
);
