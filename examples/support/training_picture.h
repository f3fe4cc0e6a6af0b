/* training_picture: how a training run went - the curves of loss and accuracy, and what the network misread. */
#ifndef EXAMPLES_SUPPORT_TRAINING_PICTURE_H
#define EXAMPLES_SUPPORT_TRAINING_PICTURE_H

#include <nn/nn.h>

/** A curve that grows. Zero-initialise; free with curve_clear. */
typedef struct curve {
    int64_t n, room;
    double *x, *y; /* (n) */
} curve;
ag_status curve_add(curve *c, double x, double y, ag_error *error) AG_WARN_UNUSED;
void curve_clear(curve *c);

/** The first samples that were misread. */
enum { MISREAD_SHOWN = 24 };
typedef struct misread {
    int n;
    struct {
        int64_t sample, truth, guess;
    } at[MISREAD_SHOWN];
} misread;
/** Add those of a batch that begins at sample `first`. logits (m, classes), y (m) i64. */
ag_status misread_add(misread *wrong, ag_value logits, const ag_tensor *y, int64_t first,
                      ag_error *error) AG_WARN_UNUSED;

typedef struct training_picture {
    curve loss, train, test; /* over epochs: training loss, accuracy in training and on the test set */
    misread wrong;
    const ag_tensor *images; /* (n, side * side) in [0, 1]; of another width: no images are drawn */
} training_picture;

ag_status training_picture_write(const training_picture *t, const char *path, ag_error *error) AG_WARN_UNUSED;
void training_picture_clear(training_picture *t);

#endif
