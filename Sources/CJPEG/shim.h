// libjpeg leaves an error by longjmp, which Swift cannot follow: a file in memory is decoded within one C function here.
#ifndef CJPEG_SHIM_H
#define CJPEG_SHIM_H

#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>

// Room for a message of libjpeg.
enum { CJPEG_messageSize = JMSG_LENGTH_MAX };

// The most scans of a progressive file: a few kilobytes can hold thousands, each as slow as a whole image.
enum { CJPEG_mostScans = 500 };

typedef struct {
    // First, so that libjpeg's pointer to it points to the whole.
    struct jpeg_error_mgr manager;
    jmp_buf leave;
    // The first damage that libjpeg would go on after, or 0.
    int damage;
    char *message;
} CJPEG_Errors;

// What a decoded image is, one byte a sample.
typedef struct {
    long width;
    long height;
    // 3 for red, green and blue, 4 for cyan, magenta, yellow and black as they are stored.
    int channels;
    // Whether libjpeg holds the whole image, two bytes a sample, because it comes in several scans.
    int isHeldWhole;
} CJPEG_Shape;

static inline void CJPEG_leave(j_common_ptr info) {
    CJPEG_Errors *errors = (CJPEG_Errors *)info->err;
    errors->manager.format_message(info, errors->message);
    longjmp(errors->leave, 1);
}

static inline void CJPEG_note(j_common_ptr info, int level) {
    CJPEG_Errors *errors = (CJPEG_Errors *)info->err;
    // Warnings have level -1. A file that ends early is one, as libjpeg fills in grey; so is a stream of bits that is
    // no code. Bytes between segments lose nothing, and the others are about headers that do not matter.
    int code = errors->manager.msg_code;
    if (level >= 0 || errors->damage != 0) { return; }
    if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_ARITH_BAD_CODE
        || code == JWRN_MUST_RESYNC || code == JWRN_NOT_SEQUENTIAL) {
        errors->damage = code;
        errors->manager.format_message(info, errors->message);
    }
}

// Is called now and then while an image is decoded.
static inline void CJPEG_countScans(j_common_ptr info) {
    if (((j_decompress_ptr)info)->input_scan_number > CJPEG_mostScans) {
        CJPEG_Errors *errors = (CJPEG_Errors *)info->err;
        snprintf(errors->message, CJPEG_messageSize, "more than %d scans", CJPEG_mostScans);
        longjmp(errors->leave, 1);
    }
}

static inline void CJPEG_beSilent(j_common_ptr info) { (void)info; }

// Reads the shape of a file in memory and, where `pixels` is not null, decodes it there, row-major, `width * height *
// channels` bytes. Grey becomes red, green and blue. Returns 0, or -1 with a message of at most CJPEG_messageSize bytes.
static inline int CJPEG_read(
    const unsigned char *bytes, size_t size, CJPEG_Shape *shape, unsigned char *pixels, char *message) {
    // Nothing here is changed between setjmp and longjmp that is read afterwards but what these structures hold, whose
    // addresses libjpeg has: no variable needs to be volatile.
    struct jpeg_decompress_struct info;
    CJPEG_Errors errors;
    struct jpeg_progress_mgr progress;
    memset(&progress, 0, sizeof progress);
    progress.progress_monitor = CJPEG_countScans;
    memset(&info, 0, sizeof info);
    memset(&errors, 0, sizeof errors);
    info.err = jpeg_std_error(&errors.manager);
    errors.manager.error_exit = CJPEG_leave;
    errors.manager.emit_message = CJPEG_note;
    errors.manager.output_message = CJPEG_beSilent;
    errors.message = message;
    message[0] = 0;
    if (setjmp(errors.leave)) {
        jpeg_destroy_decompress(&info);
        return -1;
    }
    jpeg_create_decompress(&info);
    info.progress = &progress;
    jpeg_mem_src(&info, bytes, size);
    jpeg_read_header(&info, TRUE);
    info.out_color_space =
        info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK ? JCS_CMYK : JCS_RGB;
    int channels = info.out_color_space == JCS_CMYK ? 4 : 3;
    if (pixels == NULL) {
        shape->width = info.image_width;
        shape->height = info.image_height;
        shape->channels = channels;
        shape->isHeldWhole = jpeg_has_multiple_scans(&info);
    } else {
        jpeg_start_decompress(&info);
        while (info.output_scanline < info.output_height) {
            JSAMPROW row = pixels + (size_t)info.output_scanline * info.output_width * channels;
            jpeg_read_scanlines(&info, &row, 1);
        }
        jpeg_finish_decompress(&info);
    }
    jpeg_destroy_decompress(&info);
    return errors.damage != 0 ? -1 : 0;
}

#endif
