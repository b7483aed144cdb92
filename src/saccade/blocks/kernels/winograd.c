/*
 * 3x3 convolutions by Winograd's minimal filtering F(4x4, 3x3), with a quarter of the multiplications.
 *
 * A. Lavin, S. Gray: Fast Algorithms for Convolutional Neural Networks, CVPR 2016, section 4.3.
 *
 * The result is cut into tiles of 4x4 pixels. The 6x6 input pixels that a tile depends on are transformed to
 * 36 numbers per channel (B^T d B); at each of these 36 positions, tiles times input channels is multiplied
 * by the transformed weights; and the 36 products per output channel are transformed back (A^T m A) to 16
 * pixels. Patches are read where they lie in a map, and results written where they belong, so that blocks
 * need no windows. With dilation d the pixels of a tile are d apart, and a cell is d x d interleaved pictures.
 *
 * What comes out of a tile does not depend on which others are computed with it: sums over channels always
 * run in the same order.
 *
 * Pixels are runs of channels, of float or of bfloat16. Everything in between is float.
 */

#ifdef _OPENMP
#include <omp.h>
#endif
#include <stdint.h>
#include <string.h>

typedef int64_t i64;

/* Floats in a register, and the piece of a matrix product whose sums fit the registers. */
#if defined(__AVX512F__)
enum { LANES = 16, ROWS = 6, COLUMNS = 4 };
#elif defined(__AVX__)
enum { LANES = 8, ROWS = 6, COLUMNS = 2 };
#else
enum { LANES = 4, ROWS = 6, COLUMNS = 4 };
#endif

enum { PANEL = LANES * COLUMNS, TILE = 4, PATCH = 6, POSITIONS = PATCH * PATCH };

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4)));
typedef uint32_t bits __attribute__((vector_size(4 * LANES), aligned(4)));
typedef uint16_t halves __attribute__((vector_size(2 * LANES), aligned(2)));

/* The fields of class Job in winograd.py. */
typedef struct {
    const char *source; /* (maps, height, width, channels) */
    i64 maps, height, width, channels;
    const float *weights; /* (POSITIONS, panels, channels, PANEL), transformed */
    const float *bias;    /* (panels * PANEL) */
    const char *other;    /* NULL, or what is added: laid out as the target, and perhaps the same */
    char *target;         /* (any, target_height, target_width, kernels) */
    i64 target_height, target_width, kernels;
    i64 cells, rows, columns, dilation;        /* how many cells, and their pixels */
    const i64 *stream, *top, *left;            /* (cells) first source pixel that each depends on */
    const i64 *to_stream, *to_top, *to_left;   /* (cells) first pixel of each in the target */
    float low, high;                           /* what the result is clamped to */
    int is_bfloat16;
} Job;

static i64 divided(i64 a, i64 b)
{
    return (a + b - 1) / b;
}

/* Tiles of a cell along one axis: of the first of the interleaved pictures, the largest. */
static inline i64 tiles_along(i64 pixels, i64 dilation)
{
    return divided(divided(pixels, dilation), TILE);
}

/* `count` channels of a pixel, at most LANES. */
static inline vec load(const char *pixel, i64 channel, i64 count, int is_bfloat16)
{
    if (is_bfloat16) {
        halves x = {0};
        if (count == LANES)
            x = *(const halves *)(pixel + 2 * channel);
        else
            memcpy(&x, pixel + 2 * channel, 2 * count);
        return (vec)(__builtin_convertvector(x, bits) << 16);
    }
    if (count == LANES)
        return *(const vec *)(pixel + 4 * channel);
    vec x = {0};
    memcpy(&x, pixel + 4 * channel, 4 * count);
    return x;
}

static inline halves rounded(vec x)
{
    const bits b = (bits)x, nan = (bits)(x != x);
    const bits nearest = (b + 0x7fff + ((b >> 16) & 1)) >> 16;
    return __builtin_convertvector((nearest & ~nan) | (0x7fc0 & nan), halves);
}

static inline void store(char *pixel, i64 channel, i64 count, int is_bfloat16, vec x)
{
    if (is_bfloat16) {
        const halves y = rounded(x);
        if (count == LANES)
            *(halves *)(pixel + 2 * channel) = y;
        else
            memcpy(pixel + 2 * channel, &y, 2 * count);
    } else if (count == LANES) {
        *(vec *)(pixel + 4 * channel) = x;
    } else {
        memcpy(pixel + 4 * channel, &x, 4 * count);
    }
}

/* NaN stays. */
static inline vec clamped(vec x, float low, float high)
{
    const vec zero = {0}, least = zero + low, most = zero + high;
    const bits under = (bits)(x < least), over = (bits)(x > most);
    return (vec)(((bits)x & ~(under | over)) | ((bits)least & under) | ((bits)most & over));
}

/* B^T d for a row or column of a patch. */
static inline void forward(const vec d[PATCH], vec o[PATCH])
{
    const vec a = d[4] - 4.f * d[2], b = d[3] - 4.f * d[1];
    const vec e = d[4] - d[2], f = 2.f * (d[3] - d[1]);
    o[0] = 4.f * d[0] - 5.f * d[2] + d[4];
    o[1] = a + b;
    o[2] = a - b;
    o[3] = e + f;
    o[4] = e - f;
    o[5] = 4.f * d[1] - 5.f * d[3] + d[5];
}

/* A^T m for a row or column of products. */
static inline void backward(const vec m[PATCH], vec o[TILE])
{
    const vec p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
    o[0] = m[0] + p + r;
    o[1] = q + 2.f * s;
    o[2] = p + 4.f * r;
    o[3] = q + 8.f * s + m[5];
}

/* A tile: which cell it is in, and its first pixel there. */
typedef struct {
    i64 cell, row, column;
} Place;

static inline Place place_of(const Job *job, i64 tile)
{
    const i64 d = job->dilation;
    const i64 down = tiles_along(job->rows, d), across = tiles_along(job->columns, d);
    const i64 each = down * d * across * d, i = tile % each / (across * d), j = tile % (across * d);
    return (Place){tile / each, i / down + i % down * TILE * d, j / across + j % across * TILE * d};
}

/* A tile's patch, transformed: one pixel at each position, `stride` floats apart. */
static inline void transform_patch(const Job *job, i64 tile, float *to, i64 stride, const char *zeros,
                                   int is_bfloat16)
{
    const Place place = place_of(job, tile);
    const i64 d = job->dilation, pixel = job->channels * (is_bfloat16 ? 2 : 4);
    const char *from[PATCH][PATCH];
    for (int r = 0; r < PATCH; r++)
        for (int c = 0; c < PATCH; c++) {
            const i64 y = job->top[place.cell] + place.row + r * d;
            const i64 x = job->left[place.cell] + place.column + c * d;
            const int inside = y >= 0 && y < job->height && x >= 0 && x < job->width;
            const i64 row = job->stream[place.cell] * job->height + y;
            from[r][c] = inside ? job->source + (row * job->width + x) * pixel : zeros;
        }
    for (i64 channel = 0; channel < job->channels; channel += LANES) {
        const i64 left = job->channels - channel, count = left < LANES ? left : LANES;
        vec half_way[PATCH][PATCH];
        for (int c = 0; c < PATCH; c++) {
            vec column[PATCH], out[PATCH];
            for (int r = 0; r < PATCH; r++)
                column[r] = load(from[r][c], channel, count, is_bfloat16);
            forward(column, out);
            for (int r = 0; r < PATCH; r++)
                half_way[r][c] = out[r];
        }
        for (int r = 0; r < PATCH; r++) {
            vec out[PATCH];
            forward(half_way[r], out);
            for (int c = 0; c < PATCH; c++)
                *(vec *)(to + (PATCH * r + c) * stride + channel) = out[c];
        }
    }
}

/* A tile's products, transformed back and finished: up to 16 pixels of the target. */
static inline void transform_back(const Job *job, i64 tile, const float *from, i64 stride, int is_bfloat16)
{
    const Place place = place_of(job, tile);
    const i64 d = job->dilation, pixel = job->kernels * (is_bfloat16 ? 2 : 4);
    for (i64 kernel = 0; kernel < job->kernels; kernel += LANES) {
        const i64 left = job->kernels - kernel, count = left < LANES ? left : LANES;
        const vec bias = *(const vec *)(job->bias + kernel);
        vec half_way[TILE][PATCH];
        for (int c = 0; c < PATCH; c++) {
            vec column[PATCH], out[TILE];
            for (int r = 0; r < PATCH; r++)
                column[r] = *(const vec *)(from + (PATCH * r + c) * stride + kernel);
            backward(column, out);
            for (int r = 0; r < TILE; r++)
                half_way[r][c] = out[r];
        }
        for (int r = 0; r < TILE; r++) {
            const i64 row = place.row + r * d, y = job->to_top[place.cell] + row;
            if (row >= job->rows || y >= job->target_height)
                break;
            vec out[TILE];
            backward(half_way[r], out);
            for (int c = 0; c < TILE; c++) {
                const i64 column = place.column + c * d, x = job->to_left[place.cell] + column;
                if (column >= job->columns || x >= job->target_width)
                    break;
                const i64 line = job->to_stream[place.cell] * job->target_height + y;
                const i64 offset = (line * job->target_width + x) * pixel;
                vec sum = out[c] + bias;
                if (job->other)
                    sum += load(job->other + offset, kernel, count, is_bfloat16);
                store(job->target + offset, kernel, count, is_bfloat16, clamped(sum, job->low, job->high));
            }
        }
    }
}

/* A few rows of a product: (rows, channels) times (channels, PANEL). */
static inline void multiply_rows(const float *a, i64 a_stride, const float *b, float *to, i64 to_stride,
                                 i64 channels, const int rows)
{
    vec sum[ROWS][COLUMNS];
    for (int r = 0; r < rows; r++)
        for (int n = 0; n < COLUMNS; n++)
            sum[r][n] = (vec){0};
    for (i64 k = 0; k < channels; k++) {
        vec line[COLUMNS];
#pragma GCC unroll 4
        for (int n = 0; n < COLUMNS; n++)
            line[n] = *(const vec *)(b + k * PANEL + n * LANES);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int n = 0; n < COLUMNS; n++)
                sum[r][n] += a[r * a_stride + k] * line[n];
    }
    for (int r = 0; r < rows; r++)
        for (int n = 0; n < COLUMNS; n++)
            *(vec *)(to + r * to_stride + n * LANES) = sum[r][n];
}

/* All rows; the numbers of them are known to the compiler, so that sums stay in registers. */
static void multiply(const float *a, i64 a_stride, const float *b, float *to, i64 to_stride, i64 channels,
                     i64 rows)
{
    for (; rows >= ROWS; rows -= ROWS, a += ROWS * a_stride, to += ROWS * to_stride)
        multiply_rows(a, a_stride, b, to, to_stride, channels, ROWS);
    switch (rows) {
    case 5: multiply_rows(a, a_stride, b, to, to_stride, channels, 5); break;
    case 4: multiply_rows(a, a_stride, b, to, to_stride, channels, 4); break;
    case 3: multiply_rows(a, a_stride, b, to, to_stride, channels, 3); break;
    case 2: multiply_rows(a, a_stride, b, to, to_stride, channels, 2); break;
    case 1: multiply_rows(a, a_stride, b, to, to_stride, channels, 1); break;
    }
}

/* The memory of a batch: transformed patches and products, (POSITIONS, tiles, padded channels) each. */
typedef struct {
    float *patches, *products;
    i64 patch, product;                 /* floats of a tile at one position */
    i64 patch_stride, product_stride;   /* from position to position; not a power of two, for the caches */
} Batch;

static Batch batch_in(const Job *job, float *memory, i64 tiles)
{
    const i64 patch = divided(job->channels, LANES) * LANES, product = divided(job->kernels, PANEL) * PANEL;
    const i64 patch_stride = tiles * patch + LANES, product_stride = tiles * product + LANES;
    return (Batch){memory, memory + POSITIONS * patch_stride, patch, product, patch_stride, product_stride};
}

static void begin_tile(const Job *job, const Batch *batch, i64 first, i64 t, const char *zeros)
{
    float *to = batch->patches + t * batch->patch;
    if (job->is_bfloat16)
        transform_patch(job, first + t, to, batch->patch_stride, zeros, 1);
    else
        transform_patch(job, first + t, to, batch->patch_stride, zeros, 0);
}

static void finish_tile(const Job *job, const Batch *batch, i64 first, i64 t)
{
    const float *from = batch->products + t * batch->product;
    if (job->is_bfloat16)
        transform_back(job, first + t, from, batch->product_stride, 1);
    else
        transform_back(job, first + t, from, batch->product_stride, 0);
}

/* One panel of the product at one position. */
static void multiply_panel(const Job *job, const Batch *batch, i64 tiles, i64 index)
{
    const i64 panels = batch->product / PANEL, position = index / panels, panel = index % panels;
    multiply(batch->patches + position * batch->patch_stride, batch->patch,
             job->weights + index * job->channels * PANEL,
             batch->products + position * batch->product_stride + panel * PANEL, batch->product, job->channels,
             tiles);
}

/* Output channels that are multiplied together; their number is padded to a multiple of it. */
int saccade_winograd_panel(void)
{
    return PANEL;
}

/* Floats that each thread needs to work on `tiles` tiles at a time. */
i64 saccade_winograd_memory(i64 channels, i64 kernels, i64 tiles)
{
    const Job job = {.channels = channels, .kernels = kernels};
    const Batch batch = batch_in(&job, 0, tiles);
    return POSITIONS * (batch.patch_stride + batch.product_stride);
}

/*
 * Convolve cells.
 *
 * memory: what saccade_winograd_memory says, for each thread
 * zeros:  as many bytes as a pixel of the source has
 * tiles:  how many a thread works on at a time
 *
 * Returns 0, or -1 when a stream is not in the map; nothing is computed then.
 */
int saccade_winograd(const Job *job, float *memory, const char *zeros, i64 tiles, int threads)
{
    const i64 d = job->dilation, panels = divided(job->kernels, PANEL);
    const i64 total = job->cells * tiles_along(job->rows, d) * d * tiles_along(job->columns, d) * d;
    for (i64 c = 0; c < job->cells; c++)
        if (job->stream[c] < 0 || job->stream[c] >= job->maps)
            return -1;

    if (total < tiles * threads) { /* all threads on all tiles, so that each reads a part of the weights */
        const Batch batch = batch_in(job, memory, total);
#pragma omp parallel num_threads(threads)
        {
#pragma omp for schedule(static)
            for (i64 t = 0; t < total; t++)
                begin_tile(job, &batch, 0, t, zeros);
#pragma omp for schedule(static)
            for (i64 i = 0; i < POSITIONS * panels; i++)
                multiply_panel(job, &batch, total, i);
#pragma omp for schedule(static)
            for (i64 t = 0; t < total; t++)
                finish_tile(job, &batch, 0, t);
        }
        return 0;
    }
    const i64 batches = divided(total, tiles);
    const i64 share = saccade_winograd_memory(job->channels, job->kernels, tiles);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (i64 n = 0; n < batches; n++) {
#ifdef _OPENMP
        const Batch batch = batch_in(job, memory + omp_get_thread_num() * share, tiles);
#else
        const Batch batch = batch_in(job, memory, tiles);
#endif
        const i64 first = n * tiles, count = total - first < tiles ? total - first : tiles;
        for (i64 t = 0; t < count; t++)
            begin_tile(job, &batch, first, t, zeros);
        for (i64 i = 0; i < POSITIONS * panels; i++)
            multiply_panel(job, &batch, count, i);
        for (i64 t = 0; t < count; t++)
            finish_tile(job, &batch, first, t);
    }
    return 0;
}
