#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "http/http.h"

/* An HTTPS server with a certificate that nobody vouches for. */
struct server {
	SSL_CTX *context;
	int listener;
	char url[64];
	pthread_t thread;
	int handshakes, requests;
};

static void sign_for_itself(SSL_CTX *context)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"127.0.0.1", -1,
				   -1, 0);
	X509_set_issuer_name(cert, name);
	X509_set_pubkey(cert, key);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(SSL_CTX_use_certificate(context, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void serve_one(struct server *server, int fd)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	SSL *ssl = SSL_new(server->context);
	char bytes[4096];

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		server->handshakes++;
		if (SSL_read(ssl, bytes, sizeof(bytes)) > 0) {
			server->requests++;
			SSL_write(ssl, answer, sizeof(answer) - 1);
		}
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	ERR_clear_error();
}

static void *serve(void *arg)
{
	struct server *server = arg;
	int fd;

	while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		serve_one(server, fd);
		close(fd);
	}
	return NULL;
}

static void start(struct server *server)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);

	server->context = SSL_CTX_new(TLS_server_method());
	sign_for_itself(server->context);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(server->listener, 4), 0);
	assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
	snprintf(server->url, sizeof(server->url), "https://127.0.0.1:%d/",
		 ntohs(address.sin_port));
	pthread_create(&server->thread, NULL, serve, server);
}

static void stop(struct server *server)
{
	shutdown(server->listener, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->listener);
	SSL_CTX_free(server->context);
}

static size_t ignore(char *bytes, size_t size, size_t count, void *arg)
{
	(void)bytes, (void)arg;
	return size * count;
}

/* The server is a good one to whoever does not look. */
static CURLcode call_without_looking(const char *url)
{
	CURL *easy = curl_easy_init();

	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
	const CURLcode code = curl_easy_perform(easy);
	curl_easy_cleanup(easy);
	return code;
}

static void sends_nothing_to_an_unknown_certificate(void **state)
{
	struct server server = { 0 };
	struct http_response response;
	struct err err;

	(void)state;
	start(&server);
	struct http *http = http_new(NULL, &err);
	const struct http_request request = { .method = "POST",
					      .url = server.url,
					      .bearer = "opr_secret",
					      .timeout = 20000,
					      .max_response = 1000 };
	assert_int_equal(http_call(http, &request, &response, &err), -1);
	assert_false(response.sent);
	http_response_done(&response);
	http_free(http);
	assert_int_equal(call_without_looking(server.url), CURLE_OK);
	stop(&server);
	assert_int_equal(server.requests, 1); /* the second */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_nothing_to_an_unknown_certificate),
	};

	return cmocka_run_group_tests_name("callback/tls", tests, NULL, NULL);
}
