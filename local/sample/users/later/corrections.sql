-- What comes later: three users of days that are copied already, and other plans of some.
insert into users (id, email, name, plan, balance, created_at) values
    (5000, 'late-1@example.org', 'Late One', 'free', 0, '2024-01-10 08:00:00+00'),
    (5001, 'late-2@example.org', 'Late Two', 'team', 12.5, '2024-01-10 09:30:00+00'),
    (5002, 'late-3@example.org', null, 'free', 0, '2024-01-28 23:59:59.999999+00')
on conflict (id) do nothing;
update users set plan = 'pro' where id between 300 and 309 and plan <> 'pro';
