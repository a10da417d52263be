/* The original way into a database: read a line with sscanf, INSERT one row, let it commit by itself, go on.
 * usage: insert_each FILE SOCKET DATABASE
 * The table is the original one: MemoryCalls(id, pid, process_name, call_type, segment_size, timestamp), segment_size
 * in MB of 2^20 bytes. Prints: seconds rows */
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "usage: %s FILE SOCKET DATABASE\n", argv[0]), 2;
    FILE *in = fopen(argv[1], "rb");
    if (!in) return perror(argv[1]), 1;
    double begun = now();
    MYSQL *connection = mysql_init(NULL);
    if (!mysql_real_connect(connection, NULL, "root", NULL, argv[3], 0, argv[2], 0))
        return fprintf(stderr, "%s\n", mysql_error(connection)), 1;
    char line[512], call[8], name[16], quoted[40], when[32], statement[512];
    size_t rows = 0;
    while (fgets(line, sizeof line, in)) {
        unsigned pid;
        unsigned long long time, length;
        if (sscanf(line, "%7[a-z2]: PID=%u, process=%15[^,], time=%llu, length=%llu", call, &pid, name, &time,
                   &length) != 5)
            continue;
        time_t seconds = time / 1000000;
        strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime(&seconds));
        mysql_real_escape_string(connection, quoted, name, strlen(name));
        snprintf(statement, sizeof statement,
                 "INSERT INTO MemoryCalls (pid, process_name, call_type, segment_size, timestamp)"
                 " VALUES (%u, '%s', '%s', %.17g, '%s.%06llu')",
                 pid, quoted, call, length / 1048576.0, when, time % 1000000);
        if (mysql_query(connection, statement)) return fprintf(stderr, "%s\n", mysql_error(connection)), 1;
        rows++;
    }
    mysql_close(connection);
    printf("%.9f %zu\n", now() - begun, rows);
    return 0;
}
