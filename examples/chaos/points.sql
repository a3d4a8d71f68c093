-- Customers collect points for what they pay.
CREATE TABLE customer (
  id     text PRIMARY KEY,
  points bigint NOT NULL
);

CREATE TABLE entry (
  number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  order_id text NOT NULL,
  points   bigint NOT NULL,
  at       timestamptz NOT NULL DEFAULT now()
);

INSERT INTO customer (id, points) VALUES ('ann', 100);
