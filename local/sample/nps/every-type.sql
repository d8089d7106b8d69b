-- Every type that goes over, at its limits, and what other tools change in silence. Zero dates are what MySQL once took.
SET sql_mode = '';

CREATE TABLE every_type (
  id BIGINT NOT NULL PRIMARY KEY,
  a_tinyint TINYINT, a_tinyint_unsigned TINYINT UNSIGNED, a_flag TINYINT(1),
  a_smallint SMALLINT, a_smallint_unsigned SMALLINT UNSIGNED,
  a_mediumint MEDIUMINT, a_mediumint_unsigned MEDIUMINT UNSIGNED,
  an_int INT, an_int_unsigned INT UNSIGNED,
  a_bigint BIGINT, a_bigint_unsigned BIGINT UNSIGNED,
  a_year YEAR, a_bit BIT(1), some_bits BIT(64),
  a_decimal DECIMAL(38, 10), a_money DECIMAL(12, 2),
  a_float FLOAT, a_double DOUBLE,
  a_date DATE, a_datetime DATETIME, a_datetime_6 DATETIME(6), a_timestamp TIMESTAMP(6) NULL,
  a_time TIME(6),
  a_char CHAR(10), a_varchar VARCHAR(100), an_enum ENUM('', 'a', 'ö,"'), a_set SET('x', 'y', 'z'),
  a_text TEXT, a_longtext LONGTEXT, a_json JSON,
  a_binary BINARY(4), a_varbinary VARBINARY(20), a_blob BLOB,
  `a "quoted" name` VARCHAR(10), `select` INT
) DEFAULT CHARSET = utf8mb4;

INSERT INTO every_type VALUES
  -- Least.
  (-9223372036854775808, -128, 0, 0, -32768, 0, -8388608, 0, -2147483648, 0, -9223372036854775808, 0,
   1901, b'0', b'0', -9999999999999999999999999999.9999999999, -9999999999.99, -3.402823466e38, -1.7976931348623157e308,
   '1000-01-01', '1000-01-01 00:00:00', '1000-01-01 00:00:00.000001', '1970-01-01 00:00:01.000000', '-838:59:59.000000',
   '', '', '', '', '', '', '{}', '', '', '', '', -1),
  -- Greatest.
  (9223372036854775807, 127, 255, 1, 32767, 65535, 8388607, 16777215, 2147483647, 4294967295, 9223372036854775807, 18446744073709551615,
   2155, b'1', b'1111111111111111111111111111111111111111111111111111111111111111',
   9999999999999999999999999999.9999999999, 9999999999.99, 3.402823466e38, 1.7976931348623157e308,
   '9999-12-31', '9999-12-31 23:59:59', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999999', '838:59:59.000000',
   'ÄÖÜäöüß€äö', REPEAT('😀', 100), 'ö,"', 'x,y,z', REPEAT('ä', 32767), REPEAT('x', 65535), '{"a": [1, "ö\\"", null], "b": {}}',
   x'00ff00ff', REPEAT(x'ff', 20), x'0001fe', 'ten chars.', 1),
  -- NULL everywhere.
  (0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
   NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  -- What a float does not hold, and what a text must not become.
  (9007199254740993, 0, 128, 2, 0, 32768, 0, 8388608, 0, 2147483648, 9007199254740993, 9223372036854775808,
   0, b'0', b'1', 0.1000000000, 0.10, 1.1, 0.1,
   '2024-02-29', '2024-03-31 02:30:00', '2024-01-02 03:04:05.000006', '2024-03-31 01:30:00.500000', '-00:00:00.000001',
   'a b', '\\N', 'a', 'x', 'line\nbreak\r\n"quoted", \\ and \t', 'NULL', '"text"', x'', x'27', x'', ' x ', 0),
  (9007199254740994, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2024, b'1', b'10', 123456789.0123456789, -0.01, 16777217, 123456789.123456789,
   '1582-10-10', '1900-02-28 12:00:00', '2000-01-01 00:00:00.100000', '2000-01-01 00:00:00.100000', '23:59:59.999999',
   '0', ' ', 'a', '', '  spaces  ', 'Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤a̳l̘g̻o', 'null', x'5c4e', x'5c4e', 'plain', '', NULL);

-- Dates that are none: a job says what becomes of them.
CREATE TABLE zero_dates (id INT NOT NULL PRIMARY KEY, a_date DATE, a_datetime DATETIME);
INSERT INTO zero_dates VALUES (1, '0000-00-00', '0000-00-00 00:00:00'), (2, '2024-01-31', '2024-01-31 12:00:00'), (3, NULL, NULL);
SET sql_mode = 'ALLOW_INVALID_DATES';
INSERT INTO zero_dates VALUES (4, '2024-02-00', '2024-00-00 10:00:00');
