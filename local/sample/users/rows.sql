-- A month of users at the source, the same on every machine: about a hundred a day.
insert into users (id, email, name, plan, balance, created_at)
select id,
       'user-' || id || '@example.org',
       case when id % 17 > 0 then 'User ' || id end,
       (array['free', 'team', 'pro'])[1 + id % 3],
       id % 500 * 1.25,
       timestamptz '2024-01-01 00:00:00+00' + id * interval '14 minutes 17 seconds'
from generate_series(0, 3099) as id
on conflict (id) do nothing;
