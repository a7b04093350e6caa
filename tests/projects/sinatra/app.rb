require "sinatra"

set :server, :webrick
set :bind, "127.0.0.1"

get "/plain" do
  content_type :text
  "sinatra #{ENV['PAAS_RELEASE']} #{ENV['RACK_ENV']}\n"
end
