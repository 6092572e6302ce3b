// libpng leaves an error by longjmp, which Swift cannot follow: a file in memory is decoded within one C function here.
#ifndef CPNG_SHIM_H
#define CPNG_SHIM_H

#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <png.h>

// Room for a message.
enum { CPNG_messageSize = 200 };

typedef struct {
    const unsigned char *bytes;
    size_t left;
    jmp_buf leave;
    char *message;
} CPNG_File;

static inline void CPNG_leave(png_structp png, png_const_charp text) {
    CPNG_File *file = (CPNG_File *)png_get_error_ptr(png);
    snprintf(file->message, CPNG_messageSize, "%s", text);
    longjmp(file->leave, 1);
}

// Warnings are about chunks that do not matter to pixels.
static inline void CPNG_beSilent(png_structp png, png_const_charp text) { (void)png; (void)text; }

static inline void CPNG_take(png_structp png, png_bytep destination, size_t count) {
    CPNG_File *file = (CPNG_File *)png_get_io_ptr(png);
    if (count > file->left) { png_error(png, "file ends early"); }
    memcpy(destination, file->bytes, count);
    file->bytes += count;
    file->left -= count;
}

// Reads the shape of a file in memory and, where `pixels` is not null, decodes it there, row-major, four bytes a pixel:
// red, green, blue, alpha. Palettes and grey become colours, 16 bits their upper 8; values are those of the file, without
// gamma. Returns 0, or -1 with a message of at most CPNG_messageSize bytes.
static inline int CPNG_read(
    const unsigned char *bytes, size_t size, long *width, long *height, unsigned char *pixels, char *message) {
    CPNG_File file;
    png_structp png;
    // Changed after setjmp and read after longjmp.
    png_infop volatile info = NULL;
    memset(&file, 0, sizeof file);
    file.bytes = bytes;
    file.left = size;
    file.message = message;
    message[0] = 0;
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &file, CPNG_leave, CPNG_beSilent);
    if (png == NULL) {
        snprintf(message, CPNG_messageSize, "no memory, or a libpng of another version");
        return -1;
    }
    if (setjmp(file.leave)) {
        png_infop made = info;
        png_destroy_read_struct(&png, made == NULL ? NULL : &made, NULL);
        return -1;
    }
    info = png_create_info_struct(png);
    if (info == NULL) { png_error(png, "no memory"); }
    png_set_read_fn(png, &file, CPNG_take);
    // Texts and profiles can grow a thousandfold when they are unpacked, and nothing of them is used: of the chunks that
    // are not the image itself only transparency is looked into.
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(png, info);
    *width = png_get_image_width(png, info);
    *height = png_get_image_height(png, info);
    if (pixels != NULL) {
        png_set_expand(png);
        png_set_strip_16(png);
        png_set_gray_to_rgb(png);
        png_set_add_alpha(png, 255, PNG_FILLER_AFTER);
        int passes = png_set_interlace_handling(png);
        png_read_update_info(png, info);
        if (png_get_rowbytes(png, info) != (size_t)*width * 4) { png_error(png, "rows of an unexpected size"); }
        for (int pass = 0; pass < passes; pass++) {
            for (long y = 0; y < *height; y++) { png_read_row(png, pixels + (size_t)y * *width * 4, NULL); }
        }
        png_read_end(png, NULL);
    }
    png_infop made = info;
    png_destroy_read_struct(&png, &made, NULL);
    return 0;
}

#endif
