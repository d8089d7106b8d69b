-- A survey's answers: July 2018, and the seven days before the one on which this is run; 40 a day. Every ninth has no score.
CREATE TABLE nps (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  score SMALLINT NULL,
  KEY created_at (created_at)
);

INSERT INTO nps (created_at, score)
WITH RECURSIVE
  number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 39),
  day (at) AS (
    SELECT TIMESTAMP '2018-07-01 00:00:00' + INTERVAL n DAY FROM number WHERE n < 31
    UNION ALL
    SELECT CAST(UTC_DATE() AS DATETIME) - INTERVAL n + 1 DAY FROM number WHERE n < 7
  )
SELECT at + INTERVAL n * 2137 SECOND, IF(n % 9 = 4, NULL, (DAY(at) * 7 + n * 3) % 11)
FROM day, number
ORDER BY 1;
