# config.sh is a part of kafka.sh: the files by which a cluster and its clients
# are configured. It uses kafka.sh's variables: dir, version, brokers, secure, acl, settings.
# shellcheck shell=bash disable=SC2154

client_ports=() controller_ports=() zookeeper_ports=()

# write_certificates makes an authority of its own, DIR/ca.pem, and the brokers'
# key and certificate.
write_certificates() (
	local ec=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
	mkdir "$dir/tls" && cd "$dir/tls" || return
	echo 'subjectAltName = IP:127.0.0.1, DNS:localhost' >san
	printf %s "${password[key]}" >password
	# Kafka 2.8 wants the key in a file encrypted, and Java 17 knows no PBES2 by name.
	openssl req -x509 "${ec[@]}" -days 30 -subj /CN=gen-test-ca -keyout ca.key -out ../ca.pem &&
		openssl req "${ec[@]}" -subj /CN=127.0.0.1 -keyout broker.key -out broker.csr &&
		openssl x509 -req -in broker.csr -CA ../ca.pem -CAkey ca.key -set_serial 1 -days 30 -extfile san -out broker.crt &&
		openssl pkcs8 -topk8 -v1 PBE-SHA1-3DES -in broker.key -passout file:password -out broker.pem &&
		cat broker.crt >>broker.pem
) >"$dir/openssl.log" 2>&1

# login MODULE USER prints the sasl.jaas.config of a client.
login() {
	echo "org.apache.kafka.common.security.$1 required username=\"$2\" password=\"${password[$2]}\";"
}

# write_clients writes one file for every user and mechanism, as Kafka's own
# tools take them. Without --secure they hold the address alone.
write_clients() {
	local file user module mechanism
	for file in admin:admin:PLAIN client:gen:SCRAM-SHA-512 client-{PLAIN,SCRAM-SHA-256,SCRAM-SHA-512}:gen:; do
		IFS=: read -r file user mechanism <<<"$file"
		mechanism=${mechanism:-${file#client-}}
		module=scram.ScramLoginModule
		[[ $mechanism != PLAIN ]] || module=plain.PlainLoginModule
		if ((secure)); then
			cat <<-EOF >"$dir/$file.properties"
				bootstrap.servers=$bootstrap
				security.protocol=SASL_SSL
				sasl.mechanism=$mechanism
				sasl.jaas.config=$(login $module "$user")
				ssl.truststore.type=PEM
				ssl.truststore.location=$dir/ca.pem
			EOF
		elif [[ $file != client-* ]]; then
			echo "bootstrap.servers=$bootstrap" >"$dir/$file.properties"
		fi
	done
}

# write_broker I writes the configuration of broker I, from 1 on.
write_broker() {
	local listener=PLAINTEXT copies=$((brokers < 3 ? brokers : 3)) port=${client_ports[$1 - 1]}
	((!secure)) || listener=SASL_SSL
	local insync=$((copies > 1 ? 2 : 1))
	mkdir -p "$dir/broker-$1"
	{
		cat <<-EOF
			log.dirs=$dir/broker-$1/data
			advertised.listeners=$listener://127.0.0.1:$port
			inter.broker.listener.name=$listener
			auto.create.topics.enable=false
			default.replication.factor=$copies
			min.insync.replicas=$insync
			offsets.topic.num.partitions=4
			offsets.topic.replication.factor=$copies
			transaction.state.log.num.partitions=4
			transaction.state.log.replication.factor=$copies
			transaction.state.log.min.isr=$insync
			transaction.state.log.segment.bytes=4194304
			group.initial.rebalance.delay.ms=0
		EOF
		# A broker that comes back after SIGKILL is let in when its old session has
		# ended: after 3 s, not 9 or 18.
		if [[ $version == 2.* ]]; then
			cat <<-EOF
				broker.id=$1
				listeners=$listener://127.0.0.1:$port
				listener.security.protocol.map=$listener:$listener
				zookeeper.connect=127.0.0.1:${zookeeper_ports[0]}
				zookeeper.session.timeout.ms=3000
			EOF
		else
			cat <<-EOF
				node.id=$1
				process.roles=broker,controller
				listeners=$listener://127.0.0.1:$port,CONTROLLER://127.0.0.1:${controller_ports[$1 - 1]}
				listener.security.protocol.map=$listener:$listener,CONTROLLER:$listener
				controller.listener.names=CONTROLLER
				controller.quorum.voters=$voters
				broker.session.timeout.ms=3000
				broker.heartbeat.interval.ms=500
			EOF
		fi
		((!secure)) || security "$1"
		((!${#settings[@]})) || printf '%s\n' "${settings[@]}"
	} >"$dir/broker-$1/server.properties"
}

# security prints the part of a broker's configuration that --secure and --acl
# add. Brokers and controllers log in to each other as admin.
security() {
	local plain authorizer=org.apache.kafka.metadata.authorizer.StandardAuthorizer
	plain="org.apache.kafka.common.security.plain.PlainLoginModule required username=\"admin\" password=\"${password[admin]}\" user_admin=\"${password[admin]}\" user_gen=\"${password[gen]}\";"
	cat <<-EOF
		ssl.keystore.type=PEM
		ssl.keystore.location=$dir/tls/broker.pem
		ssl.key.password=${password[key]}
		ssl.truststore.type=PEM
		ssl.truststore.location=$dir/ca.pem
		sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
		sasl.mechanism.inter.broker.protocol=PLAIN
		listener.name.sasl_ssl.plain.sasl.jaas.config=$plain
		listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
		listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
	EOF
	if [[ $version == 2.* ]]; then
		authorizer=kafka.security.authorizer.AclAuthorizer
	else
		cat <<-EOF
			sasl.mechanism.controller.protocol=PLAIN
			listener.name.controller.sasl.enabled.mechanisms=PLAIN
			listener.name.controller.plain.sasl.jaas.config=$plain
		EOF
	fi
	((!acl)) || printf '%s\n' "authorizer.class.name=$authorizer" super.users=User:admin
}

# write_zookeeper writes the configuration of the ZooKeeper of Kafka 2.
write_zookeeper() {
	mkdir -p "$dir/zookeeper"
	cat <<-EOF >"$dir/zookeeper/zookeeper.properties"
		dataDir=$dir/zookeeper/data
		clientPort=${zookeeper_ports[0]}
		clientPortAddress=127.0.0.1
		tickTime=500
		maxClientCnxns=0
		admin.enableServer=false
	EOF
}
