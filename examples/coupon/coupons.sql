CREATE TABLE coupon (
  code        text PRIMARY KEY,
  state       text NOT NULL DEFAULT 'unused' CHECK (state IN ('unused', 'redeemed', 'withdrawn')),
  valid_until timestamptz NOT NULL DEFAULT 'infinity',
  redeemed_by text,
  redeemed_at timestamptz,
  -- Counts what the guard lets through, so that a second time would show.
  uses        integer NOT NULL DEFAULT 0
);

-- What each customer was told. Nothing here is unique: a message that was handled twice would be here twice.
CREATE TABLE answer (
  message_id text NOT NULL,
  code       text NOT NULL,
  customer   text NOT NULL,
  told       text NOT NULL
);

INSERT INTO coupon (code) SELECT 'GOOD-' || n FROM generate_series(1, 12) AS n;
INSERT INTO coupon (code) VALUES ('TWICE');
INSERT INTO coupon (code, valid_until) SELECT 'OLD-' || n, now() - interval '1 day' FROM generate_series(1, 3) AS n;
INSERT INTO coupon (code, state) VALUES ('WITHDRAWN', 'withdrawn');
