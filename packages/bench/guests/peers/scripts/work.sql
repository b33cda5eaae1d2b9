-- A table is filled, indexed, joined with itself, aggregated, changed and sorted, in memory.
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price INTEGER, parent INTEGER);
INSERT INTO item
  WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
  SELECT i, printf('item %05d', i * 7919 % 30011), i * 104729 % 9973, i / 3 FROM n;
CREATE INDEX item_price ON item (price);
CREATE INDEX item_name ON item (name);
SELECT count(*), sum(price), max(name) FROM item WHERE price BETWEEN 1000 AND 3000;
SELECT p.price % 10 AS digit, count(*), sum(c.price) FROM item c JOIN item p ON c.parent = p.id GROUP BY digit ORDER BY digit;
SELECT count(*) FROM item WHERE name LIKE '%77%' AND length(name) = 10;
UPDATE item SET price = price + 1, name = name || '!' WHERE id % 5 = 0;
DELETE FROM item WHERE price % 11 = 0;
SELECT id, name, price FROM item ORDER BY price DESC, name LIMIT 5;
SELECT sum(a.price * b.price) FROM item a JOIN item b ON a.price = b.price AND a.id < b.id;
