CREATE TABLE orders (
  id       uuid PRIMARY KEY,
  user_id  bigint NOT NULL,
  event    text NOT NULL,
  -- The last line, also against those who do not ask the guard.
  CONSTRAINT one_order UNIQUE (user_id, event)
);

-- Nothing here is unique: an order that was handled twice would have two tickets.
CREATE TABLE ticket (
  order_id uuid NOT NULL,
  user_id  bigint NOT NULL,
  event    text NOT NULL
);
