/* A kernel whose opinion of the clock the tests choose: loaded before the C library (LD_PRELOAD), it answers adjtimex in its
   place. SEMPER_TEST_ADJTIMEX names a file; as long as it is there, the clock is not synchronised. */
#include <string.h>
#include <stdlib.h>
#include <sys/timex.h>
#include <unistd.h>

int adjtimex(struct timex *timex) {
    const char *lost = getenv("SEMPER_TEST_ADJTIMEX");
    int unsynchronised = lost != NULL && access(lost, F_OK) == 0;
    memset(timex, 0, sizeof *timex);
    timex->status = STA_NANO | (unsynchronised ? STA_UNSYNC : STA_PLL);
    timex->offset = -250000; /* ns */
    timex->esterror = 500;   /* µs */
    timex->maxerror = 2000;  /* µs */
    return unsynchronised ? TIME_ERROR : TIME_OK;
}
