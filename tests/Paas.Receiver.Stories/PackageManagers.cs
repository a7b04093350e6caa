using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Package managers as they are, with packages that are in the repository itself: what is shown here needs no registry but npm's, and that for the manager alone.</summary>
public sealed class PackageManagers(BuildingReceiver shared) : IClassFixture<BuildingReceiver>
{
    const string Server = "require('http').createServer((q, s) => s.end(require('dep') + '\\n')).listen(process.env.PORT, '127.0.0.1')\n";

    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public Task A_yarn_lock_is_installed_by_yarn() => NodeAsync("yarned", "yarn", "yarn.lock", """
        # yarn lockfile v1


        "dep@file:./dep":
          version "1.0.0"

        """);

    [Fact]
    public Task A_pnpm_lock_is_installed_by_pnpm() => NodeAsync("pnpmed", "pnpm", "pnpm-lock.yaml", """
        lockfileVersion: '9.0'

        settings:
          autoInstallPeers: true
          excludeLinksFromLockfile: false

        importers:

          .:
            dependencies:
              dep:
                specifier: file:./dep
                version: file:dep

        packages:

          dep@file:dep:
            resolution: {directory: dep, type: directory}

        snapshots:

          dep@file:dep: {}

        """);

    [Fact]
    public async Task Composer_makes_the_autoloader_once()
    {
        if (!BuildingReceiver.Has("php", "composer"))
        {
            return;
        }

        await using var git = await GitClient.NewAsync(receiver, "composed");
        await git.WriteAsync("composer.json", """{"name": "a/b", "autoload": {"psr-4": {"Shop\\": "src/"}}, "repositories": [{"packagist.org": false}]}""");
        await git.WriteAsync("src/Till.php", "<?php\nnamespace Shop;\nclass Till { public static function says(): string { return \"autoloaded\\n\"; } }\n");
        await git.WriteAsync("index.php", "<?php\nrequire __DIR__ . '/vendor/autoload.php';\necho Shop\\Till::says();\n");
        await git.CommitAsync("A till");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> composer install", push.Remote);
        Assert.Equal("autoloaded\n", (await receiver.AskAsync("composed.localhost", "/")).Body);

        await git.WriteAsync("src/Till.php", "<?php\nnamespace Shop;\nclass Till { public static function says(): string { return \"again\\n\"; } }\n");
        await git.CommitAsync("The same packages");
        var second = await git.PushAsync();
        Assert.True(second.Accepted, second.Text);
        Assert.DoesNotContain("-----> composer install", second.Remote);
        Assert.Equal("again\n", (await receiver.AskAsync("composed.localhost", "/")).Body);
    }

    [Fact]
    public async Task Maven_packages_a_jar_with_the_plug_ins_that_Debian_has()
    {
        const string Repository = "/usr/share/maven-repo";
        if (!BuildingReceiver.Has("mvn", "javac") || !Directory.Exists(Repository + "/org/apache/maven/plugins/maven-jar-plugin") || !Directory.Exists(Repository + "/org/apache/maven/plugins/maven-compiler-plugin"))
        {
            Console.WriteLine("not told here: Maven's plug-ins are not on this machine; on Debian: apt-get install libmaven-{compiler,jar,resources}-plugin-java libsurefire-java");
            return;
        }

        await using var git = await GitClient.NewAsync(receiver, "mavened");
        await git.WriteAsync("pom.xml", """
            <project xmlns="http://maven.apache.org/POM/4.0.0">
              <modelVersion>4.0.0</modelVersion><groupId>org.example</groupId><artifactId>shop</artifactId><version>1.0</version>
              <properties><maven.compiler.source>17</maven.compiler.source><maven.compiler.target>17</maven.compiler.target><project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
              <build><plugins><plugin><artifactId>maven-jar-plugin</artifactId><configuration><archive><manifest><mainClass>Main</mainClass></manifest></archive></configuration></plugin></plugins></build>
            </project>
            """);
        await git.WriteAsync("settings.xml", $"<settings><mirrors><mirror><id>debian</id><mirrorOf>*</mirrorOf><url>file://{Repository}</url></mirror></mirrors></settings>\n");
        await git.WriteAsync("src/main/java/Main.java", JavaSaying("from a jar of Maven's"));
        await git.CommitAsync("Java");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> mvn package", push.Remote);
        Assert.DoesNotContain("␛", push.Text, StringComparison.Ordinal);
        Assert.Equal("from a jar of Maven's\n", (await receiver.AskAsync("mavened.localhost", "/")).Body);
    }

    [Fact]
    public async Task Gradle_builds_a_jar_without_a_network()
    {
        if (!BuildingReceiver.Has("gradle", "javac"))
        {
            return;
        }

        await using var git = await GitClient.NewAsync(receiver, "gradled");
        await git.WriteAsync("build.gradle", "apply plugin: 'java'\njar { manifest { attributes 'Main-Class': 'Main' } }\n");
        await git.WriteAsync("src/main/java/Main.java", JavaSaying("from a jar of Gradle's"));
        await git.WriteAsync("gradlew", "#!/bin/sh\nexec gradle \"$@\"\n", executable: true);
        await git.WriteAsync("app.json", """{"paas": {"network": false}}""");
        await git.CommitAsync("Java");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> ./gradlew build -x test", push.Remote);
        Assert.Contains(push.Remote, line => line.Contains("BUILD SUCCESSFUL", StringComparison.Ordinal));
        Assert.Equal("from a jar of Gradle's\n", (await receiver.AskAsync("gradled.localhost", "/")).Body);
    }

    static string JavaSaying(string words) => $$"""
        import com.sun.net.httpserver.HttpServer;
        import java.net.InetSocketAddress;

        public class Main {
            public static void main(String[] args) throws Exception {
                HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv("PORT"))), 0);
                server.createContext("/", exchange -> { byte[] said = "{{words}}\n".getBytes(); exchange.sendResponseHeaders(200, said.length); exchange.getResponseBody().write(said); exchange.close(); });
                server.start();
            }
        }
        """;

    [Fact]
    public async Task A_virtual_environment_of_a_manifest_is_made_once_for_the_same_requirements()
    {
        const string Wheel = "shop-1.0-py3-none-any.whl";
        if (!BuildingReceiver.Has("python3") || !Directory.EnumerateDirectories("/usr/lib", "python3*").Any(python => Directory.Exists(Path.Combine(python, "ensurepip"))))
        {
            Console.WriteLine("not told here: python3-venv is not on this machine");
            return;
        }

        await using var git = await GitClient.NewAsync(receiver, "piped-in");
        await git.WriteAsync("manifest.yml", """
            manifest: {format: 1}
            application:
              name: piped-in
              prepare: {commands: [{plugin: paasmaker.prepare.pythonpip, parameters: {virtualenv_name: venv}}]}
            instances:
              - {name: web, runtime: {plugin: paasmaker.runtime.shell, version: 1, parameters: {launch_command: "venv/bin/python -m shop %(port)d"}}}
            """);
        await git.WriteAsync("requirements.txt", $"--no-index\n./{Wheel}\n");
        var wheel = Path.Combine(git.Directory, Wheel);
        await using (var archive = await System.IO.Compression.ZipFile.OpenAsync(wheel, System.IO.Compression.ZipArchiveMode.Create))
        {
            foreach (var (name, text) in new[]
            {
                ("shop.py", "import sys\nfrom http.server import *\nclass H(BaseHTTPRequestHandler):\n    def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n        self.wfile.write(sys.prefix.encode())\nHTTPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()\n"),
                ("shop-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n"),
                ("shop-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
                ("shop-1.0.dist-info/RECORD", "shop.py,,\nshop-1.0.dist-info/METADATA,,\nshop-1.0.dist-info/WHEEL,,\nshop-1.0.dist-info/RECORD,,\n"),
            })
            {
                await using var writer = new StreamWriter(await archive.CreateEntry(name).OpenAsync());
                await writer.WriteAsync(text);
            }
        }

        await git.CommitAsync("With its own wheel");
        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> Running prepare command 1 of 1 (paasmaker.prepare.pythonpip)", push.Remote);
        Assert.EndsWith("/run/venv", (await receiver.AskAsync("piped-in.localhost", "/")).Body);

        await git.CommitFileAsync("README", "the same packages\n");
        var second = await git.PushAsync();
        Assert.True(second.Accepted, second.Text);
        Assert.Contains("       requirements.txt is as it was", second.Remote);
        Assert.EndsWith("/run/venv", (await receiver.AskAsync("piped-in.localhost", "/")).Body);
    }

    async Task NodeAsync(string name, string manager, string lockFile, string content)
    {
        if (!BuildingReceiver.Has("node", "npm"))
        {
            return;
        }

        await using var git = await GitClient.NewAsync(receiver, name);
        await git.WriteAsync("package.json", """{"name": "app", "version": "1.0.0", "dependencies": {"dep": "file:./dep"}, "scripts": {"start": "node server.js"}}""");
        await git.WriteAsync("dep/package.json", """{"name": "dep", "version": "1.0.0", "main": "index.js"}""");
        await git.WriteAsync("dep/index.js", $"module.exports = 'by {manager}'\n");
        await git.WriteAsync("server.js", Server);
        await git.WriteAsync(lockFile, content);
        await git.CommitAsync("With its own package");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains(push.Remote, line => line.StartsWith($"-----> Installing dependencies with {manager} ", StringComparison.Ordinal) && line.EndsWith($"({lockFile})", StringComparison.Ordinal));
        Assert.Equal($"by {manager}\n", (await receiver.AskAsync($"{name}.localhost", "/")).Body);

        await git.CommitFileAsync("server.js", "// the same packages\n" + Server);
        var second = await git.PushAsync();
        Assert.True(second.Accepted, second.Text);
        Assert.DoesNotContain(second.Remote, line => line.StartsWith("-----> Installing", StringComparison.Ordinal));
    }
}
