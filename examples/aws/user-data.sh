#!/bin/bash
# User data of load balancers that are all made from one image, Amazon Linux 2023: cloud-init runs it once, as root, at the first start of an
# instance. It ends with Caddy running, or says in /var/log/cloud-init-output.log why not.
#
# No secret is in here: whoever may describe the instance can read its user data, and so can every process on it. The role of the instances
# has the policy user-data.json for what is fetched.
set -euo pipefail
umask 022

# caddy-ec2, Caddyfile and caddy-ec2.service (examples/systemd) in one archive, and its checksum, so that what runs is what was tested,
# whoever may write the bucket. Graviton instances, such as t4g.small, are arm64, others amd64:
#
#	go run ./cmd/xbuild -os linux -arch arm64 -o caddy-ec2
#	tar -czf v1.tar.gz caddy-ec2 Caddyfile caddy-ec2.service && sha256sum v1.tar.gz && aws s3 cp v1.tar.gz s3://example-releases/caddy-ec2/
release=s3://example-releases/caddy-ec2/v1.tar.gz
checksum=0000000000000000000000000000000000000000000000000000000000000000

# The secret of the heartbeats, of all nodes the same:
#
#	aws ssm put-parameter --name /caddy-ec2/failover.key --type SecureString --value "$(openssl rand -hex 32)"
secret=/caddy-ec2/failover.key

# An EFS file system for certificates, and an access point of it that is one directory and one user, whoever writes: so the directory needs
# no owner of this machine.
#
#	aws efs create-access-point --file-system-id fs-... --posix-user Uid=1000,Gid=1000 \
#		--root-directory 'Path=/caddy,CreationInfo={OwnerUid=1000,OwnerGid=1000,Permissions=0700}'
files=fs-0123456789abcdef0
access_point=fsap-0123456789abcdef0

# By IMDSv2. From here one hop is enough, which is the least that can be allowed; Caddy in a container needs two.
imds() { curl --fail --silent --show-error --retry 5 --retry-connrefused "$@"; }
token=$(imds -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
AWS_DEFAULT_REGION=$(imds -H "X-aws-ec2-metadata-token: $token" http://169.254.169.254/latest/meta-data/placement/region)
# The credentials of the role may take some seconds to be there.
export AWS_DEFAULT_REGION AWS_METADATA_SERVICE_NUM_ATTEMPTS=20

# An image that has been started before has the user already.
id caddy &>/dev/null || useradd --system --home-dir /var/lib/caddy --create-home --shell /usr/sbin/nologin caddy

work=$(mktemp -d)
cd "$work"
aws s3 cp --only-show-errors "$release" release.tar.gz
echo "$checksum  release.tar.gz" | sha256sum --check --quiet
tar -xzf release.tar.gz --no-same-owner
install -m 755 caddy-ec2 /usr/local/bin/caddy-ec2
install -D -m 644 Caddyfile /etc/caddy/Caddyfile
install -m 644 caddy-ec2.service /etc/systemd/system/caddy-ec2.service
install -d -m 750 -o caddy -g caddy /var/log/caddy
cd /
rm -rf "$work"

# In a variable first, so that nothing is left of it when it can't be fetched.
key=$(aws ssm get-parameter --name "$secret" --with-decryption --query Parameter.Value --output text)
install -m 640 -g caddy /dev/stdin /etc/caddy/failover.key <<<"$key"

# What the Caddyfile reads.
install -m 640 -g caddy /dev/stdin /etc/caddy/environment <<-END
	EMAIL=ops@example.com
	DOMAIN=example.com
	HOSTED_ZONE_ID=Z0123456789EXAMPLE
END
install -D -m 644 /dev/stdin /etc/systemd/system/caddy-ec2.service.d/environment.conf <<-END
	[Unit]
	# Not before the storage is there, or can't be had.
	Wants=mnt-caddy.mount
	After=mnt-caddy.mount

	[Service]
	EnvironmentFile=/etc/caddy/environment
END

# The directory below the storage is root's: on a node that can't mount it, Caddy finds nothing, can write nothing, and so orders no
# certificate of its own. When the storage is back: mount /mnt/caddy && systemctl reload caddy-ec2
mountpoint -q /mnt/caddy || install -d -m 555 -o root -g root /mnt/caddy
# By "soft", Caddy gets an error and does not wait for ever when the file system does not answer.
dnf --assumeyes --quiet install amazon-efs-utils || echo "no amazon-efs-utils" >&2
grep -q ' /mnt/caddy ' /etc/fstab ||
	echo "$files:/ /mnt/caddy efs _netdev,nofail,noresvport,tls,iam,accesspoint=$access_point,soft,timeo=150 0 0" >>/etc/fstab
mountpoint -q /mnt/caddy || mount /mnt/caddy || true
runuser -u caddy -- test -w /mnt/caddy || echo "caddy can't write the storage: no certificate for this node" >&2

systemctl daemon-reload
systemctl enable --now caddy-ec2
