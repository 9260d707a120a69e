-- As Tortoise ORM makes it, with what years of running leave behind.
CREATE TABLE "users" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "first_name" VARCHAR(50) NOT NULL,
    "surname" VARCHAR(50),
    "email" VARCHAR(100) NOT NULL UNIQUE,
    "hashed_password" VARCHAR(200),
    "role" VARCHAR(9) NOT NULL DEFAULT 'user' /* ADMIN: admin\nUSER: user */,
    "is_active" BOOL NOT NULL DEFAULT 1,
    "created_at" TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "modified_at" TIMESTAMP
);
CREATE TABLE "sessions" (
    "id" CHAR(36) PRIMARY KEY NOT NULL,
    "user_id" INT NOT NULL REFERENCES "users" ("id") ON DELETE CASCADE,
    "expires_at" TIMESTAMP NOT NULL
);
CREATE TABLE "aerich" ("id" INTEGER PRIMARY KEY, "version" VARCHAR(255), "app" VARCHAR(100), "content" JSON);
INSERT INTO users VALUES
 (1, 'Анна', 'Петрова', 'anna@example.org', 'canary plain one', 'admin', 1, '2024-02-29 12:00:00.123456+03:00', '2024-03-01 00:00:00'),
 (2, 'Boris', NULL, 'boris@example.org', '$2b$04$abcdefghijklmnopqrstuuN0n0n0n0n0n0n0n0n0n0n0n0n0n0n0n', 'moderator', 0, 1700000000, NULL),
 (3, 'Vera', '', ' vera@example.org ', 'pbkdf2_sha256$600000$canary$canary', 'user', 1, '2024-02-29T12:00:00', 'yesterday'),
 (5, 'Gleb', 'G', 'gleb@example.org', 'd41d8cd98f00b204e9800998ecf8427e', 'owner', 1, '2024-02-29', NULL),
 (7, 'Dora', 'D', 'dora@example.org', 'b''$2b$12$canary''', '2', 'true', '2024-02-29 12:00:00', NULL),
 (8, 'Egor', 'E', 'egor@example.org', NULL, 'user', 'perhaps', '2024-02-29 12:00:00', NULL),
 (9, 'Zoya', 'Z', 'zoya@example.org', '', '', 'False', '', NULL);
INSERT INTO sessions VALUES ('canary-session', 1, '2030-01-01 00:00:00');
