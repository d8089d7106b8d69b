-- What comes later: a score of yesterday is corrected, one is taken back, and an answer comes in.
UPDATE nps SET score = 10 WHERE created_at = CAST(UTC_DATE() AS DATETIME) - INTERVAL 1 DAY;
UPDATE nps SET score = NULL WHERE created_at = CAST(UTC_DATE() AS DATETIME) - INTERVAL 1 DAY + INTERVAL 2137 SECOND;
INSERT INTO nps (created_at, score) VALUES (CAST(UTC_DATE() AS DATETIME) - INTERVAL 1 SECOND, 0);
