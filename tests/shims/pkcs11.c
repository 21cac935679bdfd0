/* A PKCS#11 module with the faults that a test chooses: everything goes to the module that SEMPER_TEST_PKCS11_MODULE names, but
   what the files in the folder SEMPER_TEST_PKCS11 say.

     C_X             as long as it is there, C_X answers with the number in it and does nothing
     C_X.once        the same for one call
     token-flags     a number: flags that the token has, too
     token-sessions  a number: how many sessions the token allows
     close-all       at the next C_GetTokenInfo all sessions of the token are closed, which logs out as well
     calls           written here: a line for each call of a function below

   Numbers are hexadecimal.

   Declared here is as much of PKCS#11 v2.40 as that takes: a function list is two octets of version and 68 functions. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long ulong;
typedef ulong function(void);

struct list {
    unsigned char version[2];
    function *functions[68];
};

struct token_info {
    unsigned char label[32], manufacturer[32], model[16], serial[16];
    ulong flags, sessions_max; /* and more */
};

enum {
    GET_FUNCTION_LIST = 3,
    GET_TOKEN_INFO = 6,
    OPEN_SESSION = 12,
    CLOSE_SESSION = 13,
    CLOSE_ALL_SESSIONS = 14,
    LOGIN = 18,
    SIGN_INIT = 42,
    SIGN = 43,
    GENERATE_KEY_PAIR = 59
};

static struct list *real, ours;

static const char *path(char *out, size_t max, const char *name, const char *end) {
    const char *folder = getenv("SEMPER_TEST_PKCS11");
    snprintf(out, max, "%s/%s%s", folder != NULL ? folder : ".", name, end);
    return out;
}

static ulong number_in(const char *file) {
    ulong number = 0;
    FILE *opened = fopen(file, "r");
    if (opened != NULL) {
        if (fscanf(opened, "%lx", &number) != 1) number = 0;
        fclose(opened);
    }
    return number;
}

/* What the function is to answer instead of its own answer; 0 for nothing. */
static ulong fault(const char *name) {
    char file[4096];
    int calls = open(path(file, sizeof file, "calls", ""), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (calls >= 0) {
        char line[64];
        int length = snprintf(line, sizeof line, "%s\n", name);
        if (write(calls, line, (size_t)length) != length) abort();
        close(calls);
    }
    ulong answer = number_in(path(file, sizeof file, name, ".once"));
    if (answer != 0 && unlink(file) == 0) return answer;
    return number_in(path(file, sizeof file, name, ""));
}

static ulong token_info(ulong slot_id, struct token_info *info) {
    char file[4096];
    if (unlink(path(file, sizeof file, "close-all", "")) == 0)
        ((ulong(*)(ulong))real->functions[CLOSE_ALL_SESSIONS])(slot_id);
    ulong answer = ((ulong(*)(ulong, struct token_info *))real->functions[GET_TOKEN_INFO])(slot_id, info);
    if (answer != 0) return answer;
    info->flags |= number_in(path(file, sizeof file, "token-flags", ""));
    ulong sessions_max = number_in(path(file, sizeof file, "token-sessions", ""));
    if (sessions_max != 0) info->sessions_max = sessions_max;
    return 0;
}

static ulong open_session(ulong slot_id, ulong flags, void *application, void *notify, ulong *session) {
    ulong answer = fault("C_OpenSession");
    if (answer != 0) return answer;
    return ((ulong(*)(ulong, ulong, void *, void *, ulong *))real->functions[OPEN_SESSION])(slot_id, flags, application, notify,
                                                                                           session);
}

static ulong close_session(ulong session) {
    ulong answer = fault("C_CloseSession");
    if (answer != 0) return answer;
    return ((ulong(*)(ulong))real->functions[CLOSE_SESSION])(session);
}

static ulong login(ulong session, ulong user, unsigned char *pin, ulong length) {
    ulong answer = fault("C_Login");
    if (answer != 0) return answer;
    return ((ulong(*)(ulong, ulong, unsigned char *, ulong))real->functions[LOGIN])(session, user, pin, length);
}

static ulong sign_init(ulong session, void *mechanism, ulong key) {
    ulong answer = fault("C_SignInit");
    if (answer != 0) return answer;
    return ((ulong(*)(ulong, void *, ulong))real->functions[SIGN_INIT])(session, mechanism, key);
}

static ulong sign(ulong session, void *data, ulong length, void *signature, ulong *signature_length) {
    ulong answer = fault("C_Sign");
    if (answer != 0) return answer;
    return ((ulong(*)(ulong, void *, ulong, void *, ulong *))real->functions[SIGN])(session, data, length, signature,
                                                                                  signature_length);
}

static ulong generate(ulong session, void *mechanism, void *public_template, ulong public_count, void *private_template,
                      ulong private_count, ulong *public_key, ulong *private_key) {
    ulong answer = fault("C_GenerateKeyPair");
    if (answer != 0) return answer;
    return ((ulong(*)(ulong, void *, void *, ulong, void *, ulong, ulong *, ulong *))real->functions[GENERATE_KEY_PAIR])(
        session, mechanism, public_template, public_count, private_template, private_count, public_key, private_key);
}

ulong C_GetFunctionList(struct list **out) {
    if (real == NULL) {
        const char *name = getenv("SEMPER_TEST_PKCS11_MODULE");
        void *module = name != NULL ? dlopen(name, RTLD_NOW | RTLD_LOCAL) : NULL;
        if (module == NULL) return 5; /* CKR_GENERAL_ERROR */
        ulong (*get)(struct list **) = (ulong(*)(struct list **))dlsym(module, "C_GetFunctionList");
        ulong answer = get != NULL ? get(&real) : 5;
        if (answer != 0) return answer;
        memcpy(&ours, real, sizeof ours);
        ours.functions[GET_FUNCTION_LIST] = (function *)C_GetFunctionList;
        ours.functions[GET_TOKEN_INFO] = (function *)token_info;
        ours.functions[OPEN_SESSION] = (function *)open_session;
        ours.functions[CLOSE_SESSION] = (function *)close_session;
        ours.functions[LOGIN] = (function *)login;
        ours.functions[SIGN_INIT] = (function *)sign_init;
        ours.functions[SIGN] = (function *)sign;
        ours.functions[GENERATE_KEY_PAIR] = (function *)generate;
    }
    *out = &ours;
    return 0;
}
