# Prints the nginx configuration of a folder of files: perl static.pl FOLDER pages|spa [NAME], in the project's directory.
# With a NAME (letters, digits, _) it is one site of many in an nginx that has the rest already, and its variables bear that name.
# What static.json, Staticfile and _headers say is data: it is checked and quoted, never pasted.
use strict;
use warnings;
use JSON::PP;

my ($root, $kind, $name) = @ARGV;
die "'$name' is no name\n" if defined $name && $name !~ /^\w+$/a;
my $mine = defined $name ? "_$name" : '';
my %site = (routes => {}, headers => {}, redirects => {});
if (-f 'static.json') {
    open my $file, '<:raw', 'static.json' or die;
    local $/;
    my $read = JSON::PP->new->relaxed->utf8->decode(scalar <$file>);
    ref $read eq 'HASH' or die "static.json is not an object\n";
    %site = (%site, %$read);
} elsif (-f 'Staticfile') {
    open my $file, '<', 'Staticfile' or die;
    while (<$file>) {
        $site{root} = $1 if /^\s*root:\s*["']?([^"'\s]+)/;
        $site{routes} = { '/**' => 'index.html' } if /^\s*pushstate:\s*(enabled|true)/;
    }
}
for my $part (qw(routes headers redirects)) { ref $site{$part} eq 'HASH' or die "static.json: $part is not an object\n"; }
$root = $site{root} if defined $site{root} && !ref $site{root};
$root =~ s{^\./|/+$}{}g;
$root = '.' if $root eq '';
$root =~ m{^/|(^|/)\.\.(/|$)|[\x00-\x1f"\\\$;{}]} and die "root '$root' is not a folder of this project\n";
$site{routes}{'/**'} = 'index.html' if $kind eq 'spa' && !%{ $site{routes} };

if (open my $file, '<', "$root/_headers") {
    my $path;
    while (<$file>) {
        if (m{^(/\S*)}) { $path = $1 } elsif (defined $path && /^\s+([\w-]+):\s*(.*?)\s*$/) { $site{headers}{$path}{$1} //= $2 }
    }
}

# A text in the configuration: no variable, no quote, no end of line gets out of it.
sub quoted { my $text = shift // ''; $text =~ /[\x00-\x1f\x7f]/ and die "a control character in static.json\n"; $text =~ s/(["\\])/\\$1/g; $text =~ s/\$/\${dollar}/g; return qq("$text"); }
# "/assets/**" → a regular expression.
sub pattern { my $glob = shift; my $out = ''; while ($glob =~ /(\*\*|\*|[^*]+)/g) { $out .= $1 eq '**' ? '.*' : $1 eq '*' ? '[^/]*' : quotemeta $1 } $out =~ s/\\\//\//g; return qq("^$out\$"); }

my ($headers, $maps, $number) = ('', '', 0);
for my $path (sort keys %{ $site{headers} }) {
    ref $site{headers}{$path} eq 'HASH' or die "static.json: headers of '$path' are not an object\n";
    for my $header (sort keys %{ $site{headers}{$path} }) {
        $header =~ /^[A-Za-z0-9-]+$/ or die "static.json: '$header' is no header\n";
        $number++;
        $maps .= "    map \$uri \$header${mine}_$number { default \"\"; ~" . pattern($path) . ' ' . quoted($site{headers}{$path}{$header}) . "; }\n";
        $headers .= "        add_header $header \$header${mine}_$number always;\n";
    }
}
$maps =~ s/~"/"~/g;

my $redirects = '';
for my $path (sort keys %{ $site{redirects} }) {
    my $to = $site{redirects}{$path};
    $to = { url => $to } unless ref $to;
    my $status = $to->{status} // 301;
    $status =~ /^30[12378]$/ or die "static.json: '$status' is no redirect\n";
    $redirects .= '        location = ' . quoted($path) . " { return $status " . quoted($to->{url}) . "; }\n";
}

my ($fallback) = grep { defined } map { $site{routes}{$_} } sort { length $a <=> length $b } keys %{ $site{routes} };
my $tries = '$uri $uri/index.html' . ($site{clean_urls} ? ' $uri.html' : '');
my $try = defined $fallback ? "try_files $tries " . quoted("/" . ($fallback =~ s{^/}{}r)) . ';' : "try_files $tries =404;";
my $error = $site{error_page} // (-f "$root/404.html" ? '404.html' : undef);
my $error_page = defined $error ? '        error_page 404 ' . quoted("/" . ($error =~ s{^/}{}r)) . ";\n" : '';
my $https = $site{https_only} ? '        if ($http_x_forwarded_proto = http) { return 301 https://$host$request_uri; }' . "\n" : '';
my $place = $root eq '.' ? '@TOP@' : "\@TOP\@/$root";
my $shown = ($root eq '.' ? 'the repository' : $root) . (defined $fallback ? ", unknown paths by $fallback" : '');

my $server = $maps . <<"END";
    server {
        listen 127.0.0.1:\@PORT\@;
        root "$place";
        index index.html;
$https$error_page$headers$redirects        location ~ "/\\.(?!well-known/)" { return 404; }
        location ~ "^/(Procfile|Staticfile|static\\.json|app\\.json|manifest\\.yml|project\\.toml|package(-lock)?\\.json|_headers)\$" { return 404; }
        location / { $try }
    }
END
if (defined $name) {
    print "# serves $shown\n$server";
    exit;
}

print <<"END";
# serves $shown
daemon off;
\@USER\@
worker_processes 1;
pid "\@WORK\@/nginx.pid";
error_log stderr warn;
events { worker_connections 1024; }
http {
    client_body_temp_path "\@WORK\@/body";
    proxy_temp_path "\@WORK\@/proxy";
    fastcgi_temp_path "\@WORK\@/fastcgi";
    uwsgi_temp_path "\@WORK\@/uwsgi";
    scgi_temp_path "\@WORK\@/scgi";
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    charset utf-8;
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 75;
    server_tokens off;
    port_in_redirect off;
    absolute_redirect off;
    gzip on;
    gzip_static on;
    gzip_vary on;
    gzip_proxied any;
    gzip_types text/css text/plain text/xml application/javascript text/javascript application/json application/xml image/svg+xml application/manifest+json application/wasm;
    geo \$dollar { default "\$"; }
${server}}
END
