/*
 * Copies of the block engine on the CPU: windows out of dense maps, blocks into dense maps.
 *
 * A map is (N, height, width) pixels and a batch of windows is (B, rows, columns) pixels, both without
 * gaps; a pixel is a run of `pixel` bytes. Window b has its first pixel at row top[b], column left[b] of
 * map stream[b]; it may lie partly or wholly outside. Since a pixel is only bytes, one function serves
 * all numbers of channels and all types of elements.
 *
 * The unit of work is one row of one window: a single memcpy where it is inside the map, and up to two
 * sides outside of it. Rows are shared among threads when there is enough to copy.
 *
 * Both functions return 0, or -1 when a stream is not in [0, N); nothing is copied then.
 */

#include <stdint.h>
#include <string.h>

typedef int64_t i64;

/* The numbers of class Border in border.py. */
enum { CONSTANT = 0, REPLICATE = 1, REFLECT = 2, CIRCULAR = 3 };

/* Below this, waking the other threads takes longer than the copy. */
static const i64 WORTH_THREADS = 256 * 1024;

static inline i64 clamp(i64 value, i64 low, i64 high)
{
    return value < low ? low : value > high ? high : value;
}

/* The index in [0, length) that stands in for `index`; not for CONSTANT. */
static inline i64 inside(i64 index, i64 length, int border)
{
    if (border == CIRCULAR) {
        i64 rest = index % length;
        return rest < 0 ? rest + length : rest;
    }
    if (border == REFLECT) {
        if (index < 0)
            index = -index;
        else if (index >= length)
            index = 2 * (length - 1) - index;
    }
    return clamp(index, 0, length - 1);
}

/* One element's value, to be repeated over pixels. */
typedef struct {
    const char *value;
    i64 bytes;
    int uniform; /* all bytes are the same, as in 0.0: memset will do */
} Fill;

static Fill make_fill(const char *value, i64 bytes)
{
    Fill fill = {value, bytes, 1};
    for (i64 i = 1; i < bytes; i++)
        fill.uniform &= value[i] == value[0];
    return fill;
}

/* Write `bytes` bytes (whole elements) of the fill. */
static void write_fill(char *to, i64 bytes, Fill fill)
{
    if (bytes <= 0)
        return;
    if (fill.uniform) {
        memset(to, fill.value[0], bytes);
        return;
    }
    memcpy(to, fill.value, fill.bytes);
    for (i64 done = fill.bytes; done < bytes;) { /* what stands already is copied behind itself */
        i64 more = done < bytes - done ? done : bytes - done;
        memcpy(to + done, to, more);
        done += more;
    }
}

static int streams_exist(const i64 *stream, i64 windows, i64 maps)
{
    for (i64 b = 0; b < windows; b++)
        if (stream[b] < 0 || stream[b] >= maps)
            return 0;
    return 1;
}

/*
 * Copy windows out of a map.
 *
 * source:  (maps, height, width) pixels, at least one per map
 * to:      (windows, rows, columns) pixels
 * stream, top, left: (windows)
 * border:  what stands outside the map
 * value, element: for CONSTANT, the bytes of one element and their number, a divisor of `pixel`
 * threads: how many may work
 */
int saccade_gather(const char *source, i64 maps, i64 height, i64 width, i64 pixel, char *to, i64 windows,
                   i64 rows, i64 columns, const i64 *stream, const i64 *top, const i64 *left, int border,
                   const char *value, i64 element, int threads)
{
    const i64 lines = windows * rows;
    const Fill fill = border == CONSTANT ? make_fill(value, element) : (Fill){0};
    if (!streams_exist(stream, windows, maps))
        return -1;

#pragma omp parallel for schedule(static) num_threads(threads) \
    if (threads > 1 && lines * columns * pixel > WORTH_THREADS)
    for (i64 line = 0; line < lines; line++) {
        const i64 b = line / rows, x = left[b];
        i64 y = top[b] + line % rows;
        char *out = to + line * columns * pixel;
        if (border != CONSTANT) {
            y = inside(y, height, border);
        } else if (y < 0 || y >= height) {
            write_fill(out, columns * pixel, fill);
            continue;
        }
        /* Pixels [0, first) are left of the map, [first, last) inside, [last, columns) right of it. */
        const i64 first = clamp(-x, 0, columns), last = clamp(width - x, first, columns);
        const char *from = source + (stream[b] * height + y) * width * pixel;
        if (last > first)
            memcpy(out + first * pixel, from + (x + first) * pixel, (last - first) * pixel);
        if (border == CONSTANT) {
            write_fill(out, first * pixel, fill);
            write_fill(out + last * pixel, (columns - last) * pixel, fill);
            continue;
        }
        for (i64 i = 0; i < first; i++)
            memcpy(out + i * pixel, from + inside(x + i, width, border) * pixel, pixel);
        for (i64 i = last; i < columns; i++)
            memcpy(out + i * pixel, from + inside(x + i, width, border) * pixel, pixel);
    }
    return 0;
}

/*
 * Copy blocks into a map. What lies outside is left away; no two blocks may overlap.
 *
 * target: (maps, height, width) pixels
 * blocks: (count, rows, columns) pixels
 * stream, top, left: (count)
 * threads: how many may work
 */
int saccade_scatter(char *target, i64 maps, i64 height, i64 width, i64 pixel, const char *blocks, i64 count,
                    i64 rows, i64 columns, const i64 *stream, const i64 *top, const i64 *left, int threads)
{
    const i64 lines = count * rows;
    if (!streams_exist(stream, count, maps))
        return -1;

#pragma omp parallel for schedule(static) num_threads(threads) \
    if (threads > 1 && lines * columns * pixel > WORTH_THREADS)
    for (i64 line = 0; line < lines; line++) {
        const i64 b = line / rows, x = left[b], y = top[b] + line % rows;
        const i64 first = clamp(-x, 0, columns), last = clamp(width - x, first, columns);
        if (y < 0 || y >= height || last <= first)
            continue;
        memcpy(target + ((stream[b] * height + y) * width + x + first) * pixel,
               blocks + (line * columns + first) * pixel, (last - first) * pixel);
    }
    return 0;
}
