#!/usr/bin/env bash
# test_kafka_secure.sh streams into a real Kafka that wants TLS and a login and
# allows nothing by itself, and checks every refusal on the way there: its
# message, its hint, its exit status, and that no password stands in it.
# Kafka 4.3.1 with all of it, Kafka 2.8.2 with each mechanism.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/suite.sh"
dir=$work/none
kafka() { "$here/kafka.sh" "$1" "$dir" "${@:2}"; }
# begin NAME ARGUMENTS starts a broker; one runs at a time.
begin() {
	kafka stop >/dev/null 2>&1 || true
	dir=$work/$1
	bootstrap=$(kafka start "${@:2}")
	topic=kafka://$bootstrap/ratings
}

# stream FILE ARGUMENTS streams with a client.properties. What gen says is in
# the file err, and in the end in said.
stream() {
	local code=0
	timeout 60 ./gen stream --to "$topic" --kafka-config "$1" --speed max "${@:2}" >out 2>err || code=$?
	cat out err >>said
	[[ ! -s out ]] || fail "gen stream writes to standard output: $(<out)"
	return $code
}

# refuse WHAT HINT FILE ARGUMENTS wants exit status 1 with a message and a hint.
# A refusal that takes ten seconds has another message: no broker answered.
refuse() {
	local code=0
	stream "${@:3}" --count 10 --run refused || code=$?
	((code == 1)) || fail "exit status $code instead of a refusal, $1: $(<err)"
	{ (($(wc -l <err) == 2)) && grep -q "^gen: .*$1" err && grep -q "^gen: hint: .*$2" err; } ||
		fail "want: $1; hint: $2; it says: $(<err)"
}

# change FROM TO prints the client.properties with one line changed.
change() { sed "s|^$1.*|$2|" "$dir/client.properties"; }

# What gen hints at, an administrator pastes: as the broker's admin here.
kafka-acls.sh() {
	[[ "$1 $3 $4" == "--bootstrap-server --command-config admin.properties" ]] || fail "no call of kafka-acls: $*"
	kafka tool acls "${@:5}" >admin.log || fail "kafka-acls.sh ${*:5}: $(<admin.log)"
}
follow_hint() {
	local hint
	hint=$(sed -n 's/^gen: hint: \(kafka-acls.sh .*\)/\1/p' "$1")
	[[ -n $hint ]] || fail "no kafka-acls command as the hint: $(<"$1")"
	eval "$hint"
}

# verified checks the topic.
verified() {
	local code=0
	./gen verify --kafka-config "$dir/client.properties" "$topic" >verified 2>err || code=$?
	cat err >>said
	((code == 0)) || fail "gen verify: exit status $code: $(cat verified err)"
}

# each_mechanism is the main job, as a run of its own for each mechanism.
each_mechanism() {
	local mechanism
	for mechanism in PLAIN SCRAM-SHA-256 SCRAM-SHA-512; do
		stream "$dir/client-$mechanism.properties" --count 20000 --run "$mechanism" || fail "$mechanism: $(<err)"
		! grep -q warning err || fail "$mechanism: $(<err)"
	done
	verified
	(($(grep -c 'events up to 20000, 20000 records' verified) == 3)) || fail "$(<verified)"
}

./gen snapshot --quiet >/dev/null
begin acl --acl
secrets=("$(sed -n 's/.* password="\([^"]*\)".*/\1/p' "$dir/client.properties")" hunter2)

# From no right at all to the first run: each refusal hints at what is missing.
for ((rights = 0; rights < 4; rights++)); do
	! stream "$dir/client.properties" --count 1000 || break
	follow_hint err
done
{ ((rights == 4)) && stream "$dir/client.properties" --count 1000; } || fail "after $rights hints: $(<err)"
# The run goes on; without Read on the topic it cannot look everywhere.
stream "$dir/client.properties" --count 2000 || fail "$(<err)"
grep -q '^gen: warning: cannot look for hanging transactions (.*TOPIC_AUTHORIZATION_FAILED' err || fail "no warning without Read on the topic: $(<err)"
code=0
./gen verify --kafka-config "$dir/client.properties" "$topic" >out 2>err || code=$?
{ ((code == 1)) && grep -q 'user gen has no right to Read on topic ratings$' err && [[ ! -s out ]]; } || fail "verify without Read: exit status $code: $(cat out err)"
follow_hint err
verified
kafka tool acls --list --principal User:gen |
	sed -n -e 's/.*resourceType=\([A-Z_]*\), name=\([^,]*\), patternType=\([A-Z]*\).*/\1 \2 \3/;tresource' \
		-e 's/.*operation=\([A-Z_]*\), permissionType=ALLOW.*/\1/;T;G;s/\n/ /p;b' -e ':resource;h' | sort >granted
diff - granted <<-'END' || fail "gen asks for other rights than its documents name"
	CREATE TOPIC gen.cursors LITERAL
	CREATE TOPIC ratings LITERAL
	DESCRIBE_CONFIGS TOPIC gen.cursors LITERAL
	READ TOPIC gen.cursors LITERAL
	READ TOPIC ratings LITERAL
	WRITE TOPIC gen.cursors LITERAL
	WRITE TOPIC ratings LITERAL
	WRITE TRANSACTIONAL_ID gen: PREFIXED
END
ok "five hints lead from no right at all to the least ones"

each_mechanism
ok "PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 over TLS: $(tail -n 1 verified)"

for mechanism in PLAIN SCRAM-SHA-256 SCRAM-SHA-512; do
	sed 's/password="[^"]*"/password="hunter2"/' "$dir/client-$mechanism.properties" >bad.properties
	refuse "the broker refused the login of user gen by $mechanism: Authentication failed" 'check username and password' bad.properties
done
change security.protocol security.protocol=SSL >file && refuse 'it seems to want a login' 'security.protocol=SASL_SSL' file
change security.protocol security.protocol=SASL_PLAINTEXT >file && refuse 'seems to want TLS on this port' 'security.protocol=SASL_SSL' file
change security.protocol security.protocol=PLAINTEXT >file && refuse 'seems to want TLS on this port' 'security.protocol=SASL_SSL' file
change ssl.truststore. '' >file && refuse 'signed by CN=gen-test-ca, which is not in the truststore' 'ssl.truststore.location' file
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=gen-test-ca -keyout other.key -out other.pem 2>openssl.log || fail "$(<openssl.log)"
change ssl.truststore.location ssl.truststore.location=other.pem >file && refuse 'signed by CN=gen-test-ca, which is not in the truststore' 'ssl.truststore.location' file
# Linux takes 0.0.0.0 for this machine, and the certificate is none for it.
topic=kafka://0.0.0.0:${bootstrap##*:}/ratings refuse 'is one for another name' 'ssl.endpoint.identification.algorithm=' "$dir/client.properties"
ok "a wrong password, no login, no TLS, another CA, another name"

# gen check tells the same, and is content with the least rights.
code=0
./gen check --to "$topic" --kafka-config bad.properties >checked 2>>said || code=$?
cat checked >>said
{ ((code == 4)) && grep -q '^  WRONG    broker .*the broker refused the login of user' checked; } || fail "gen check: exit status $code: $(<checked)"
./gen check --to "$topic" --kafka-config "$dir/client.properties" >checked 2>>said || fail "gen check: exit status $?: $(<checked)"
cat checked >>said
ok "gen check: $(tail -n 1 checked)"

# The keystore of Java, and what the hint makes of it.
keytool -importcert -noprompt -alias ca -file "$dir/ca.pem" -keystore trust.jks -storepass changeit 2>keytool.log || fail "$(<keytool.log)"
change ssl.truststore.location ssl.truststore.location=trust.jks >file && refuse 'Java keystores are not read' 'keytool' file
hint=$(sed -n 's/^gen: hint: \(keytool .*\); then .*/\1/p' err)
eval "$hint" <<<changeit 2>keytool.log || fail "$hint: $(<keytool.log)"
change ssl.truststore.location ssl.truststore.location=trust.jks.pem >file
stream file --count 1000 || fail "$hint: $(<err)"
ok "the hint converts the truststore of Java"

# A right that is withdrawn in the middle ends the run; given back, it goes on.
timeout 60 ./gen stream --to "$topic" --kafka-config "$dir/client.properties" --run withdrawn --speed 20 2>err &
gen=$!
until grep -q 'events from 0 on' err; do
	kill -0 $gen || fail "$(<err)"
	sleep 0.1
done
kafka tool acls --remove --force --allow-principal User:gen --operation Write --topic ratings >admin.log || fail "$(<admin.log)"
code=0
wait $gen || code=$?
cat err >>said
{ ((code == 1)) && grep -q 'user gen has no right to Write on topic ratings$' err; } || fail "Write withdrawn: exit status $code: $(<err)"
follow_hint err
stream "$dir/client.properties" --run withdrawn --count 20000 || fail "$(<err)"
verified
grep -q 'run withdrawn: events up to 20000, 20000 records' verified || fail "$(<verified)"
ok "a right that is withdrawn ends the run, and given back lets it go on: $(tail -n 1 verified)"

begin plain
sed "s|^bootstrap.*||" "$work/acl/client.properties" >client.properties
refuse 'the broker seems to have no TLS on this port' 'security.protocol=SASL_PLAINTEXT,' client.properties
sed 's/SASL_SSL/SSL/' client.properties >file && refuse 'the broker seems to have no TLS on this port' 'security.protocol=PLAINTEXT,' file
sed 's/SASL_SSL/SASL_PLAINTEXT/' client.properties >file && refuse 'the broker has no login on this port' 'security.protocol=PLAINTEXT,' file
ok "a broker without TLS, or without a login"

begin old --version 2.8.2 --acl
secrets+=("$(sed -n 's/.* password="\([^"]*\)".*/\1/p' "$dir/client.properties")")
allow() { kafka tool acls --add --allow-principal User:gen "$@" >admin.log || fail "$(<admin.log)"; }
allow --operation Create --operation Write --operation Read --topic ratings
allow --operation Create --operation Write --operation Read --operation DescribeConfigs --topic gen.cursors
allow --operation Write --transactional-id gen: --resource-pattern-type prefixed
each_mechanism
ok "Kafka 2.8.2, each mechanism: $(tail -n 1 verified)"

for secret in "${secrets[@]}"; do
	[[ -n $secret ]] || fail "no password to look for"
	! grep -qF -- "$secret" said || fail "gen told a password: $(grep -F -- "$secret" said | head -n 3)"
done
ok "no password in the $(wc -l <said) lines that gen said"
