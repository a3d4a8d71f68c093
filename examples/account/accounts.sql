CREATE TABLE account (
  id      text PRIMARY KEY,
  money   bigint NOT NULL CHECK (money >= 0),
  version integer NOT NULL DEFAULT 1
);

-- What became of each message. Nothing here is unique: a message that was handled twice would be here twice.
CREATE TABLE answer (
  message_id text NOT NULL,
  account    text NOT NULL,
  cents      bigint NOT NULL,
  outcome    text NOT NULL
);

INSERT INTO account (id, money) VALUES ('fifty-at-once', 1000), ('seen-by-ten', 1000), ('to-the-last-cent', 500);
